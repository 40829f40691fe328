"""The simulated Binance USD-M."""
