"""Tests of the backup's pure parts."""
