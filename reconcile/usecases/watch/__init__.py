"""The plan in a loop: changes of state, debounce, contention, one watch per account."""
