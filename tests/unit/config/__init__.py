"""Tests of `hub/config`."""
