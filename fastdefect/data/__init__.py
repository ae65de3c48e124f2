"""The path from a folder of photos to batches: list, read, split, augment, balance."""
