"""Tests: each is a sentence that would be false without the line it guards."""
