"""The decider: touches, decide, evolve. Pure."""
