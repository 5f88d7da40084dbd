"""Read models of the ledger: rows, notices, cases, months. Pure."""
