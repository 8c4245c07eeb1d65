"""Everything that is said of a backtest: seven frames, one file each in the run folder."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import pandas as pd

from forecast import runs
from forecast.bounded import read_table
from forecast.counts import counted
from forecast.errors import InputError
from forecast.evaluation.backtest import Backtest
from forecast.evaluation.calibration import before_and_after, reliability
from forecast.evaluation.confidence import confidence_set
from forecast.evaluation.conformal import SUFFIX, conformal
from forecast.evaluation.direction import copy_detector, direction_table
from forecast.evaluation.risk import RISK_COLUMNS, risk_table
from forecast.evaluation.scores import COMPARED, score_table, scores
from forecast.evaluation.significance import skill_table, ticker_table
from forecast.markup import html_table
from forecast.prices.panel import Panel


@dataclass(frozen=True, eq=False)
class Scorecard:
    """The frames of a backtest; each is the CSV file of its name.

    `scores`: `score_table` of every model, of ``<model>+conformal`` and ``<model>-seed0`` …;
    `significance`: `skill_table`; `significance_by_ticker`: `ticker_table`; `confidence_set`;
    `direction`: `direction_table` and `copy_detector` (``change_p_value`` is the detector's);
    `risk`: `risk_table`; `calibration`: `reliability` with ``observed_conformal``.
    """

    scores: pd.DataFrame
    significance: pd.DataFrame
    significance_by_ticker: pd.DataFrame
    confidence_set: pd.DataFrame
    direction: pd.DataFrame
    risk: pd.DataFrame
    calibration: pd.DataFrame

    @property
    def means(self) -> pd.DataFrame:
        """The rows of `scores` over all origins."""
        return self.scores[self.scores["by"] == "all"].drop(columns=["by", "group"])

    @property
    def networks(self) -> list[str]:
        """Names of the models that were tested against the others."""
        return list(self.significance["model"].astype(str).unique())

    @property
    def baselines(self) -> list[str]:
        """Names of the models they were tested against."""
        return list(self.significance["baseline"].astype(str).unique())

    def seeds_of(self, network: str) -> list[str]:
        """Names of the members of a network that is an ensemble, else nothing."""
        names = self.means["model"].astype(str).unique()
        return [name for name in names if name.startswith(f"{network}-seed")]

    def _repr_html_(self) -> str:
        wide = self.means.pivot_table(
            values=["crps", "coverage_90"], index="model", columns="h", observed=True, dropna=False
        )
        horizons = sorted(wide.columns.unique(1))
        wide = wide.sort_values(("crps", horizons[0]))
        rows = [
            (
                model,
                *(f"{row['crps', h]:.5g}" for h in horizons),
                *(f"{100 * row['coverage_90', h]:.1f}" for h in horizons),
            )
            for model, row in wide.iterrows()
        ]
        return html_table(
            f"Scorecard: {counted(self.means['origins'].max(), 'origin')}, by sessions ahead",
            ("", *(f"CRPS {h}" for h in horizons), *(f"in 90 % band, {h} (%)" for h in horizons)),
            rows,
            "CRPS: mean error of the whole distribution in units of the log return (or of a series "
            "that is no price), lower is better.",
        )

    def write(self, folder: Path) -> None:
        """Write one CSV file per frame."""
        for field in fields(self):
            runs.write_frame(folder / f"{field.name}.csv", getattr(self, field.name))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote; InputError when a file is missing or damaged."""
        frames = {}
        for field in fields(cls):
            path = folder / f"{field.name}.csv"
            try:
                frames[field.name] = read_table(path)
            except (OSError, ValueError) as error:
                raise InputError(
                    f"{path} cannot be read: {error}; write it again with forecast evaluate."
                ) from error
        return cls(**frames)


def with_conformal(backtest: Backtest, panel: Panel, networks: Sequence[str]) -> Backtest:
    """Add ``<model>+conformal`` for each of `networks`."""
    adjusted = conformal(backtest.select(networks), panel)
    return replace(backtest, quantiles=backtest.quantiles | adjusted.quantiles)


def make_scorecard(
    backtest: Backtest,
    panel: Panel,
    until: pd.Timestamp,
    networks: Sequence[str],
    baselines: Sequence[str],
) -> Scorecard:
    """Score a backtest; `until` is the last session of the (first) training.

    The conformal adjustment of `networks` is made where the backtest does not have it yet.
    """
    main = [*networks, *baselines]
    adjusted = [name + SUFFIX for name in networks]
    if not set(adjusted) <= set(backtest.models):
        backtest = with_conformal(backtest, panel, networks)
    table = scores(backtest, panel, until)
    compared = _rows(table, main, "hit", "median")
    called = direction_table(compared)
    copies = copy_detector(backtest.select(main), panel).rename(
        columns={"p_value": "change_p_value"}
    )
    return Scorecard(
        scores=score_table(table, panel),
        significance=skill_table(compared, networks, baselines),
        significance_by_ticker=ticker_table(compared, networks, baselines),
        confidence_set=confidence_set(compared),
        direction=copies.merge(called, on=["model", "h"], how="left"),
        risk=risk_table(_rows(table, [*main, *adjusted], *RISK_COLUMNS)),
        calibration=before_and_after(reliability(backtest.select([*main, *adjusted]))),
    )


def _rows(table: pd.DataFrame, models: Sequence[str], *columns: str) -> pd.DataFrame:
    """The rows of some models, without the columns that are not asked for: they are many."""
    return table.loc[table["model"].isin(models), [*COMPARED, *columns]]
