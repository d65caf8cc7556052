"""Measure caches of attention by what a small model still recalls from them."""
