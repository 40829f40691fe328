"""Tests of ``reconcile/planning``."""
