"""Filters and moving statistics, for any signal."""
