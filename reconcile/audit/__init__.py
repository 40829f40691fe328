"""Reading journals as an auditor: runs, movements, what the account was, and whether the chain holds."""
