"""Every path of the real machine against an abstract exchange, breadth first."""
