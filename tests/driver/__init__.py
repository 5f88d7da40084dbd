"""The decider, piped by hand: no Kafka."""
