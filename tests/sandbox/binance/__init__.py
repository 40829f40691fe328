"""Tests of ``reconcile/sandbox/binance``."""
