"""Careful reading and writing that knows nothing of the hub: paths, YAML, secrets."""
