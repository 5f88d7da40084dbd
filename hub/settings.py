"""Settings of a process: environment variables, read once at start."""
