"""The documents of an audit: runs, movements, a comparison of two moments, chains of hashes."""
