"""Builds the demo data set: invented decisions, with the faults real tables are known to have."""
