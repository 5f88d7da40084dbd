"""The formats a platform wants, one file per kind. Pure."""
