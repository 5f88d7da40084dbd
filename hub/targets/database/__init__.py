"""Platforms with a front-end database."""
