"""One evening: who forecasts what, from which closes, and what the ledger is to keep of it."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from forecast import __version__, runs
from forecast.command_settings import DailySettings, Runtime
from forecast.errors import InputError
from forecast.jobs.newest import newest_prices, pretrained_prices
from forecast.jobs.pretrained import pretrained_card, pretrained_settings
from forecast.jobs.runtimes import open_networks
from forecast.ledger import pack
from forecast.models.base import Fitted
from forecast.models.baselines import BASELINES
from forecast.models.levels import LEVELS
from forecast.prices.panel import Panel
from forecast.prices.sessions import last_closed_session
from forecast.settings import Settings


@dataclass
class Evening:
    """Prices and network of one evening; no network is loaded before there is work for it.

    `tickers` are those to forecast: they have a price on the last session. `ended` are the others
    that were asked for, with their last session; `short` are those the network cannot forecast yet.
    """

    settings: Settings
    panel: Panel
    tickers: list[str]
    notes: list[str]
    now: pd.Timestamp  # UTC
    last_closed: pd.Timestamp  # newest session whose close is known to the world
    sha256: str  # of the networks
    seen_until: pd.Timestamp  # last session the networks have learned from
    run: Any  # folder of the run, None for the pretrained network
    everything: bool  # whether all tickers of the source are asked for
    runtime: Runtime = "auto"
    ended: dict[str, pd.Timestamp] = field(default_factory=dict)
    short: list[str] = field(default_factory=list)

    @property
    def model(self) -> str:
        """Name of the network."""
        return self.settings.cell[0]

    @property
    def made_at(self) -> str:
        """The time, as the ledger writes it."""
        return f"{self.now:%Y-%m-%dT%H:%M:%S+00:00}"

    @property
    def told(self) -> str:
        """Who forecasts, in words."""
        what = f"run {self.run.name}" if self.run else "the pretrained network"
        return f"{self.model} of {what}, trained on prices to {self.seen_until:%Y-%m-%d}"

    def level_of(self, value: float) -> float:
        """A price on the scale of the quantiles."""
        return float(np.log(value)) if self.panel.scale == "log" else value

    def drop(self, tickers: Iterable[str]) -> None:
        """Forecast these no more."""
        gone = set(tickers)
        self.tickers = [ticker for ticker in self.tickers if ticker not in gone]

    def load(self) -> Fitted:
        """Read the networks, which starts what runs them."""
        return open_networks(self.run, self.settings, self.runtime)


def open_evening(settings: DailySettings, now: pd.Timestamp) -> Evening:
    """Read the newest prices and what is known of the network; raises InputError."""
    if settings.pretrained:
        run, manifest, chosen = None, pretrained_card(), pretrained_settings()
        panel, asked, notes = pretrained_prices(settings)
    else:
        run = runs.find_run(settings.run, settings.runs_dir)
        manifest, chosen = runs.read_manifest(run), runs.read_settings(run)
        panel, asked, notes = newest_prices(run, chosen, settings.tickers)
    evening = Evening(
        settings=chosen,
        panel=panel,
        tickers=asked,
        notes=notes,
        now=now,
        last_closed=last_closed_session(panel.calendar, now),
        sha256=runs.networks_sha256(manifest, chosen.cell[0]),
        seen_until=pd.Timestamp(manifest["last_training_date"]),
        run=run,
        everything=not settings.tickers,
        runtime=settings.runtime,
    )
    closes = panel.field("adj_close")
    last = {ticker: closes.index[closes[ticker].notna()][-1] for ticker in asked}
    evening.ended = {ticker: day for ticker, day in last.items() if day < panel.sessions[-1]}
    evening.drop(evening.ended)
    if panel.sessions[-1] <= evening.seen_until:
        raise InputError(
            f"the network has learned from prices up to {evening.seen_until:%Y-%m-%d}, and these "
            f"end on {panel.sessions[-1]:%Y-%m-%d}: forecasts of days it has seen are worth "
            "nothing in a track record; give newer prices, or another run."
        )
    return evening


def missing_cutoffs(
    evening: Evening, recorded: Mapping[str, AbstractSet[pd.Timestamp]]
) -> pd.DataFrame:
    """Closes to forecast from: the newest, and those missed since the first one on record.

    Columns ``unique_id, cutoff``. Closes the network has learned from are left out.
    """
    closes = evening.panel.field("adj_close")
    rows = []
    for ticker in evening.tickers:
        have = recorded.get(ticker, frozenset())
        days = closes.index[closes[ticker].notna()]
        since = max(min(have), evening.seen_until + pd.Timedelta(days=1)) if have else days[-1]
        rows += [(ticker, day) for day in days[days >= since] if day not in have]
    return pd.DataFrame(rows, columns=["unique_id", "cutoff"])


def new_forecasts(
    evening: Evening,
    recorded: Mapping[str, AbstractSet[pd.Timestamp]],
    baselines: Sequence[str],
) -> list[dict[str, Any]]:
    """Rows of the ledger for every close that has none: the network's and the baselines'.

    A ticker whose history is too short for the network is left out, and told in `short`.
    """
    cutoffs = missing_cutoffs(evening, recorded)
    if cutoffs.empty:
        return []
    horizons, panel = evening.settings.scored_horizons, evening.panel
    own = evening.load().forecast(panel, cutoffs, horizons, LEVELS)
    known = np.isfinite(own).all(axis=(1, 2))
    evening.short = sorted(set(cutoffs.loc[~known, "unique_id"]))
    cutoffs = cutoffs[known].reset_index(drop=True)
    quantiles = {evening.model: own[known]}
    for name in baselines:
        quantiles[name] = np.empty_like(own[known])
        for day, rows in cutoffs.groupby("cutoff"):  # fitted on data up to each close alone
            fitted = BASELINES[name]().fit(panel, pd.Timestamp(str(day)))
            quantiles[name][rows.index] = fitted.forecast(panel, rows, horizons, LEVELS)
    return _rows(evening, cutoffs, quantiles)


def _rows(
    evening: Evening, cutoffs: pd.DataFrame, quantiles: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    from forecast.evaluation.backtest import target_dates

    panel, horizons = evening.panel, evening.settings.scored_horizons
    if cutoffs.empty:
        return []
    session, ticker = panel.locate(cutoffs)
    dates = np.datetime_as_string(target_dates(panel, session, horizons), "D")  # (N, H)
    values = panel.field("adj_close").to_numpy()[session, ticker]
    rows = []
    for model, of in quantiles.items():
        sha256 = evening.sha256 if model == evening.model else f"forecast {__version__}"
        for n, (name, cutoff) in enumerate(cutoffs.itertuples(index=False)):
            about = {
                "unique_id": name,
                "cutoff": f"{cutoff:%Y-%m-%d}",
                "model": model,
                "last_value": float(values[n]),
                "scale": panel.scale,
                "model_sha256": sha256,
                "data_sha256": panel.sha256,
                "made_at": evening.made_at,
                "caught_up": int(cutoff < evening.last_closed),
            }
            rows += [
                {**about, "h": h, "ds": str(dates[n, k]), "quantiles": pack(of[n, k])}
                for k, h in enumerate(horizons)
                if np.isfinite(of[n, k]).all()
            ]
    return rows
