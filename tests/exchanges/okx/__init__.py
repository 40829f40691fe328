"""Tests of ``reconcile/exchanges/okx``."""
