"""Where an account's requests go, and the secrets that sign them."""
