"""Intervals and tests where several photos show one part."""
