"""Decisions with a bundle: numpy, the reader of photos and a runtime, without torch or fastai."""
