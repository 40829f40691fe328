"""What tests are made of: README.md beside this file says which helper is for what."""
