"""The use cases: plan, apply, settle, status, resolve. Each is one function of a world and accounts."""
