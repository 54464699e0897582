"""One beat: its waves, its shape, the interval before it, its class."""
