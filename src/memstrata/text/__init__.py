"""Take text apart: words, spans, sizes. Pure functions, shared by the writing and the reading path."""
