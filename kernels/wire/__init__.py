"""Sample records of the wire, many in one call."""
