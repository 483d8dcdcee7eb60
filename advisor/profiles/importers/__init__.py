"""What other tools write about throughput, read as it is written: one module per tool, one registry."""
