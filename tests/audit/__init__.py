"""Tests of ``reconcile/audit``."""
