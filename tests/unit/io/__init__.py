"""Tests of `hub/io`."""
