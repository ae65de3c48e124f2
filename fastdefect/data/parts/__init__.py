"""The photos of each part: given by the user, or found by keypoints."""
