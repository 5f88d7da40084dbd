"""Departments that put files into a folder."""
