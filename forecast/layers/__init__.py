"""Recurrent layers one can look into.

The names load on first use: what needs no TensorFlow here, the quantile function, starts without.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
