"""Plan the steps: compare declared with observed, apply limits, order the steps. Pure."""
