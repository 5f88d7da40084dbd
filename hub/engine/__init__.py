"""The exactly-once slot: start, transaction, overlay, restore, timers. Sans-I/O."""
