"""Commands that need connectors; `hub/cli.py` finds them by name."""
