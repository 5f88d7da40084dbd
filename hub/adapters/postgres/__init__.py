"""PostgreSQL: the look-up tables, filled by the projector and asked."""
