"""Platforms reached by a Kafka topic."""
