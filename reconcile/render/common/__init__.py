"""The parts that several documents share: safe values, columns, Markdown, pages, annotations, CSV."""
