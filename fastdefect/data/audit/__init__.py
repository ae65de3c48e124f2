"""Can the photos be trusted? Each check, and the look at each photo that they share."""
