"""Sheets of photos for a person to check."""
