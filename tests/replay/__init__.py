"""Recorded ledgers, decided again."""
