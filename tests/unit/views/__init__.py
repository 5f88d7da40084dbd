"""Tests of `hub/views`."""
