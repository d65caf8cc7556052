"""Read from sentences what they state: sentence → clauses → definition, adjustment or speech → statement.

`statements.py` is the way in. Everything here is words and patterns, no model, and English.
"""
