"""Which hosts are the machine itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


OWN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts that may be reached without TLS."""
