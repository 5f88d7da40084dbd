"""Tests of `hub/embedded`."""
