"""Arithmetic on arrays: compiled, allocation-free, with its state in the open. Knows numpy and numba only."""
