"""Augmentation of training photos, and changes of the background of a part."""
