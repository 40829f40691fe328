"""Tests of ``reconcile/evidence``."""
