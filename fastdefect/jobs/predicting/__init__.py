"""The parts of predict: the model, the rows of its result, and the files that keep them."""
