"""A finished run: its model, its photos, and how it decides."""
