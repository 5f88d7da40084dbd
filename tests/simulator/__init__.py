"""The engine, with every request delayed, lost or repeated."""
