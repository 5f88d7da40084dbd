"""Platforms that exchange files in a folder."""
