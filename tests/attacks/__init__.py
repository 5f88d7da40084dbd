"""Attacks, one file per law of isolation: what one party does never stops or reads another's."""
