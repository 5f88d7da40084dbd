"""Stand-in platforms: separate processes that import nothing from the hub."""
