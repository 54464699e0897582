"""Landmarks of a face: geometry, the subject's own rest, blinks, a second's report."""
