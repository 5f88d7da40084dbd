"""Connectors: read one kind of source each and submit every row."""
