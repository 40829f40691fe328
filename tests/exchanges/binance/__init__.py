"""Tests of ``reconcile/exchanges/binance``."""
