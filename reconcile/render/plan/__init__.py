"""A plan in every format; and a saved plan, read back and shown."""
