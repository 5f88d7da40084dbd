"""Tests of `hub/runtime`."""
