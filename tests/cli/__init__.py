"""Tests of ``reconcile/cli``."""
