"""Which decisions change when photos are disturbed."""
