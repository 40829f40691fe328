"""What an auditor asks a journal for: runs, movements, chains of hashes."""
