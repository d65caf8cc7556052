"""The reading path: query → route → retrieve → fuse → rank → pack → context."""
