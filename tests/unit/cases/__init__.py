"""Tests of the case agents that need no broker."""
