"""What should be sent: declared against observed, limits, order. Pure."""
