"""Kafka: its client, and what is done to topics, users and rights."""
