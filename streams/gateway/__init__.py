"""What sends to engines: sources of samples, what is held until it is acknowledged, and the way back after a cut."""
