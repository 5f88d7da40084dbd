"""Tests of the adapters that need no part outside."""
