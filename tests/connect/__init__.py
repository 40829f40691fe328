"""Tests of ``reconcile/connect``."""
