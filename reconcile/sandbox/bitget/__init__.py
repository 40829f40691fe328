"""The simulated Bitget v2."""
