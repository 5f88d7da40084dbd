"""Tests of commands that need no part outside."""
