"""Tests of hub.core without parts outside."""
