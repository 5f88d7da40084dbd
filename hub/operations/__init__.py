"""Changes an operator makes to a running site."""
