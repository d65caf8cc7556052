"""Turn what arrives from a network into requests that are worth dealing with, the same for every server of ours."""
