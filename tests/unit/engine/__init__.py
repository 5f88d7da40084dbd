"""Tests of hub.engine without parts outside."""
