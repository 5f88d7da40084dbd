"""The demo: an invented city's data set, and the run that carries it through the hub."""
