"""Measure Memstrata on the machine at hand, with the harness that its own figures come from."""
