"""Endpoints of accounts, and the secrets that sign their requests."""
