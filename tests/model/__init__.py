"""Tests of ``reconcile/model``."""
