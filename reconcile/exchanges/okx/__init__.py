"""OKX v5: swaps and futures, linear and inverse."""
