"""Credit event hub: carries administrative decisions to publication platforms."""

VERSION = "0.2.0"
"""As in pyproject.toml; a test compares them."""
