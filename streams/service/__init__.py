"""An engine as a service: its config, signals, health and metrics around it."""
