"""Prometheus metrics of the workers: names, labels and their meaning."""
