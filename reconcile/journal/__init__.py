"""The journal: each intent, on disk before its request leaves, and each outcome, chained by hashes."""
