"""Platforms with an HTTP interface."""
