"""The files under `deploy/`: what they say, against what the hub knows and what others publish."""
