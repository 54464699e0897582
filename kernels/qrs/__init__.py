"""QRS detection: energy of the leads, its peaks judged, the time of each R peak."""
