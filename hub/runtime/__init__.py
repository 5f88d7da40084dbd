"""Common parts of all workers: context, metrics, health, logs."""
