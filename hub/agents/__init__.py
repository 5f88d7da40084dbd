"""Workers that state facts of their own: the case agents, the reconciler."""
