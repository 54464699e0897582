"""Scores of results against reference annotations; `vitalcore score` and the accuracy tables are made of it."""
