"""The `vitalcore` command. Decides nothing."""
