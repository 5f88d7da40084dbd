"""Tests of the pure nouns in hub.domain."""
