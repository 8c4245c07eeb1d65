"""Whether a training fits into the memory there is, told before it starts."""

_GB = 2**30
