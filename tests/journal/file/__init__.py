"""Tests of ``reconcile/journal/file``."""
