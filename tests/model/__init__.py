"""A second, slow and obvious implementation of the laws of a record's life, and random lives."""
