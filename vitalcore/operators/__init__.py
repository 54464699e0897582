"""The operators: detectors and chains of each signal, filters, moving statistics."""
