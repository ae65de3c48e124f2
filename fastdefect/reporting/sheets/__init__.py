"""Photos side by side, to be looked at by a person."""
