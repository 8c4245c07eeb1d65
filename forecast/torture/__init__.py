"""Campaigns that do to the project what machines and strangers do, and count how it comes out.

Each is a module of this package with a function ``run(count, seed, report) -> Counts``.
"""

from forecast.torture.counts import Counts, Report, campaign, result_json

__all__ = ["Counts", "Report", "campaign", "result_json"]
