"""The result of an apply, in every format."""
