"""A finished run: its model, its photos and its decisions."""
