"""Tests of ``reconcile/sandbox/okx``."""
