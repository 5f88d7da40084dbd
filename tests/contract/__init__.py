"""Every contract's accepted and rejected examples."""
