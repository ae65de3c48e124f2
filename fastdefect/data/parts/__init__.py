"""Which photos show one part: given by the user, or found by keypoints."""
