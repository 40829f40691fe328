"""Tests of ``reconcile/journal/postgres``."""
