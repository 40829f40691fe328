"""The evidence of ledger rows and margins: what a step did, and why margin moved. Pure."""
