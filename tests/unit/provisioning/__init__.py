"""Tests of `hub/provisioning`."""
