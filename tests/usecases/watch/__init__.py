"""Tests of ``reconcile/usecases/watch``."""
