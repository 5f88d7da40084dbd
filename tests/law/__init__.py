"""The law as cases a lawyer can read and write, decided by the real registrar."""
