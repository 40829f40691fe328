"""Tests of ``reconcile/usecases``."""
