"""Which hosts are the machine itself."""

from __future__ import annotations

OWN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts that may be reached without TLS."""
