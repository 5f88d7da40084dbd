"""Wiring: builds workers and commands from settings and a site."""
