"""A frame in, matplotlib axes out: fan charts, training curves, scores.

The names load on first use, so that importing the package costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
