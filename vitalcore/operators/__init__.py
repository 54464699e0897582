"""The operators: detectors and chains of each signal, filters, moving statistics."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # heavy imports wait until they are used
