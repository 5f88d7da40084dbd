"""Verifying the ledger's chain and replaying its decisions."""
