"""Decisions at the line: the page, its HTTP API, and the queue of photos that people decide."""
