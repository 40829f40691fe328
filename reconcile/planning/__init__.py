"""Plan the steps: declared against observed, limits, order. Pure."""
