"""Readers, validators and projections compiled from the Avro contracts. Pure after load."""
