"""Is everything there and as it should be: what `hub doctor` looks at, one file per question."""
