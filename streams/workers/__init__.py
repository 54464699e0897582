"""Several engines behind one front."""
