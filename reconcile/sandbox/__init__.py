"""The simulated exchange that ships with the program: one set of account rules, dialects, faults and two thin wires.

Nothing here imports ``reconcile.exchanges`` and nothing there imports this, so that one misreading of a document cannot
cancel itself out.
"""
