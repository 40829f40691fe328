"""The report: one HTML page with pictures."""
