"""Departments with a table in a database."""
