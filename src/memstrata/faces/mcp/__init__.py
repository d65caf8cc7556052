"""Turn calls of the Model Context Protocol into calls of the engine, and what comes back into plain data.

What is stored may come from anywhere. It leaves here inside the fields of a result, with its source beside it, and
never in a description, a title, an error of ours or a log.
"""
