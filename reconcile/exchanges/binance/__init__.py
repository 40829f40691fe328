"""Binance USD-M futures: signing, codes, formulas and translation."""
