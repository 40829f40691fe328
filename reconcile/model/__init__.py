"""The values of the program: accounts, plans, ledger rows, traits, and the reports that renderers show."""
