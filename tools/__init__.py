"""Tools of the repository: nothing here runs in production."""
