"""Faces that look like those of other libraries, so that programs written for them can use a memory as it is."""
