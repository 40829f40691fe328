"""Margin state as code for futures accounts: declare it in TOML, plan, apply, never twice."""

__version__ = "0.1.0"
