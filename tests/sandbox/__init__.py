"""The simulated exchange, tested by its books."""
