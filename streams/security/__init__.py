"""Who may do what at an engine, and what is kept of who did."""
