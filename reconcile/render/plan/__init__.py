"""A plan and the result of its apply, in every format; and a saved plan, read back."""
