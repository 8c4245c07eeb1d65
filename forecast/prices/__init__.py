"""Where prices come from and what makes them trustworthy."""

from forecast.prices.cleaning import clean
from forecast.prices.loading import load_prices
from forecast.prices.merging import merge
from forecast.prices.panel import Panel
from forecast.prices.repairs import Repair, render_repairs
from forecast.prices.sessions import missing_sessions, next_sessions
from forecast.prices.synthetic import garch_prices

__all__ = [
    "Panel",
    "Repair",
    "clean",
    "garch_prices",
    "load_prices",
    "merge",
    "missing_sessions",
    "next_sessions",
    "render_repairs",
]
