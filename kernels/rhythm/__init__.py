"""What the beats say together: rates, episodes, ectopy, variability; and fibrillation, where there are none."""
