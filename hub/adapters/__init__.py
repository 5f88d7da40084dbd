"""The outside world, one library per file: Kafka, RocksDB, PostgreSQL, HTTP, files, clocks."""
