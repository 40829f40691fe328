"""Tests of ``reconcile/protocol``."""
