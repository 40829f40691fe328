"""What several documents share: safe values, columns of a terminal, pages, CSV."""
