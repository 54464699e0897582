"""The engine: what comes in is checked, computed, journaled, acknowledged and sent out live."""
