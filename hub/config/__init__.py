"""Settings of a site and of a machine, and where the hub's own files are."""
