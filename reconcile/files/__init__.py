"""Files that others may touch: read within bounds, written whole or not at all."""
