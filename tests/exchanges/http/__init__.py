"""Tests of ``reconcile/exchanges/http``."""
