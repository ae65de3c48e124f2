"""Tables as plain values, by command."""
