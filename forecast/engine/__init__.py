"""Units of work side by side: in this process, in others of this machine, or on a Ray cluster.

A unit is worked on by ``work(shared, unit)``, a function of the project. Its result depends on
these two alone, so that it is the same wherever, beside whatever and how often it is run.
"""

from forecast.engine.engines import Engine, Here, Processes, cores, opened

__all__ = ["Engine", "Here", "Processes", "cores", "opened"]
