"""Tests of ``reconcile.files``."""
