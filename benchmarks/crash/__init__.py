"""Crash paths: what liquidates positions, and how much margin each way to prevent it locks."""
