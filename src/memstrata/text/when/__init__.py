"""Read the times that a text names: expression → calendar → interval.

`times.py` is the way in; `expressions.py` has English, `tongues.py` the other languages.
"""
