"""What outlives an engine: the file, what its entries say, and what else reads, mends and exports it."""
