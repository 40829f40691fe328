"""Tests of ``reconcile/sandbox/bitget``."""
