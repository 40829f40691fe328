"""Reads a git repository from git's own files: no program is started, so nothing that a configuration names can run."""
