"""Values and functions, without any part outside."""
