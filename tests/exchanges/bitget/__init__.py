"""Tests of ``reconcile/exchanges/bitget``."""
