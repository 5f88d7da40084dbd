"""Stand-ins for platforms, which misbehave on command; nothing of the hub in them."""
