"""Tests of `hub/agents`."""
