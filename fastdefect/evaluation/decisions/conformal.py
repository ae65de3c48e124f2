"""A threshold from good parts alone: how many new good parts it rejects, on average.

Split conformal prediction (Vovk, Gammerman and Shafer 2005, "Algorithmic learning in a random
world"), with parts as units. The score of a part is the highest of its photos. If the new part is
like the n calibration parts, each of the n + 1 ranks of its score is equally likely, so that it
exceeds the k-th highest of the n with a probability of at most k / (n + 1), whatever the model is.
The mean is over both the calibration parts and the new part. Nothing is promised about escapes,
which only photos of defects could show.
"""
