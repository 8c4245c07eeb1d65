"""The track record of a ledger, printed."""

from pathlib import Path

import pandas as pd

from forecast import runs
from forecast.counts import counted
from forecast.evaluation.track import drift_alarms, track_record
from forecast.jobs.terminal import Terminal
from forecast.jobs.units import crps_unit
from forecast.ledger import open_ledger
from forecast.models.baselines import BASELINES


def show_ledger(path: Path, out: Path | None, terminal: Terminal) -> None:
    """Print the track record of a ledger; write its scores to `out` (CSV or Parquet)."""
    with open_ledger(path, read_only=True) as ledger:
        forecasts, scores = ledger.forecasts(), ledger.scores()
    if forecasts.empty:
        terminal.result(f"{path} holds no forecast yet.")
        return
    terminal.heading(
        f"{path}: {counted(len(forecasts), 'forecast')} of "
        f"{counted(forecasts['unique_id'].nunique(), 'ticker')}, "
        f"cutoffs {forecasts['cutoff'].min():%Y-%m-%d} to {forecasts['cutoff'].max():%Y-%m-%d}; "
        f"{len(scores):,} scored"
    )
    say_record(scores, terminal)
    if out is not None:
        runs.write_frame(out, scores)
        terminal.path(out)


def networks_of(models: pd.Series) -> list[str]:
    """Names of the networks among models: those that are no baselines."""
    return sorted(set(models) - set(BASELINES))


def say_record(scores: pd.DataFrame, terminal: Terminal) -> list[str]:
    """Print the live track record of scores; return the drift alarms, which it also prints."""
    if scores.empty:
        terminal.result("Track record: no forecast has come due yet.")
        return []
    networks = networks_of(scores["model"])
    record = track_record(scores, networks)
    unit = crps_unit(scores["scale"].iloc[0])
    terminal.table(
        f"Track record: CRPS ({unit.name}, lower is better) against baselines recorded at the "
        "same time, by sessions ahead",
        ("", "made", "ahead", "outcomes", "days", "CRPS", "baseline", "skill %", "90 %", "verdict"),
        [
            (
                f"{row['model']} against {row['baseline']}",
                str(row["made"]),
                str(row["h"]),
                f"{row['origins']:,}",
                f"{row['sessions']:,}",
                f"{row['crps'] * unit.factor:{unit.form}}",
                f"{row['crps_baseline'] * unit.factor:{unit.form}}",
                f"{100 * row['crps_skill']:+.1f}",
                f"{100 * row['coverage_90']:.1f}",
                str(row["verdict"]),
            )
            for row in record.to_dict("records")
        ],
    )
    alarms = [str(alarm) for alarm in drift_alarms(scores, networks)]
    terminal.data(record=record, alarms=alarms)
    if not alarms:
        terminal.result("No drift alarm: recent forecasts hold what they promise, as far as these "
                        "outcomes can tell.")  # fmt: skip
    return [f"drift: {alarm}" for alarm in alarms]
