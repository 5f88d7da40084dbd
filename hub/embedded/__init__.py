"""Kafka and PostgreSQL of one's own: for tests, the demo and trying it out."""
