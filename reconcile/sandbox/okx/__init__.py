"""The simulated OKX v5."""
