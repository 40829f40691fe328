"""Fuzzing of everything that reads what others wrote: ``python -m tests.fuzz`` in bulk, Hypothesis in pytest."""
