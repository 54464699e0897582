"""Alarms of what the chains say, and what may hold one back."""
