"""Answers as exchanges really send them, and the right outcome of each: one JSON file is one case."""
