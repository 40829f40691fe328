"""What ledger rows and margins prove about a step, and why margin moved. Pure."""
