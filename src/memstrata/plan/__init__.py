"""Know what things cost: pure arithmetic, no I/O of its own."""
