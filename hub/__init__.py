"""Credit event hub: carries administrative decisions to publication platforms."""

VERSION = "0.2.0"
"""The one place: pyproject.toml reads it here."""
