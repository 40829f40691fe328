"""Tests of ``reconcile/statefile``."""
