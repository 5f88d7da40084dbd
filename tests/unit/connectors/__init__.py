"""Tests of the connectors, without Kafka."""
