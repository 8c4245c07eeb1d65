"""The quantile levels of every forecast."""

import numpy as np

#: Q = 99 levels 0.01 … 0.99: twice their mean pinball loss is the CRPS of this project.
LEVELS = np.round(np.arange(1, 100) / 100, 2)
