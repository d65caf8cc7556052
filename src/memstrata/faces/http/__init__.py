"""What calls us over a network: REST, streams of changes, and mem0's protocol, over one engine.

`app` puts the parts together and `serve` runs them; `door` stands before all of them and lets in, or not.
"""
