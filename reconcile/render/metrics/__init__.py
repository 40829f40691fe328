"""The metrics of a watch."""
