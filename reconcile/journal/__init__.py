"""The journal: what was about to be sent and what is known about it, on disk before the wire, chained by hashes."""
