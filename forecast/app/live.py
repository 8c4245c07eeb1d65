"""The page of the live track record."""

from pathlib import Path

import pandas as pd
import streamlit as st

from forecast.app.pages import told
from forecast.command_settings import LEDGER
from forecast.evaluation.track import RECENT, drift_alarms, rolling_coverage
from forecast.models.baselines import BASELINES
from forecast.report.live import HEADER, MEANING, record_rows, scores_of


@told
def live_page(runs_dir: Path) -> None:
    """Alarms, rolling coverage and record of the ledger in the folder of the runs."""
    st.title("Live track record")
    path = runs_dir / LEDGER
    if not path.is_file():
        st.info(f"There is no ledger at {path}. Begin one: `forecast daily`.")
        return
    scores = scores_of(path)
    if scores.empty:
        st.info("No forecast has come due yet.")
        return
    st.caption(f"{path}: {len(scores):,} scored forecasts, baselines included. {MEANING}")
    for network in sorted(set(scores["model"]) - set(BASELINES)):
        st.header(network)
        for alarm in drift_alarms(scores, [network]):
            st.warning(str(alarm))
        rolled = rolling_coverage(scores[scores["model"] == network])
        if len(rolled):
            st.caption(
                f"Share of outcomes in the 90 % band over {RECENT} cutoffs, by sessions ahead; "
                "it should stay near 0.9"
            )
            wide = rolled.pivot_table(values="coverage_90", index="cutoff", columns="h")
            st.line_chart(wide.set_axis(wide.columns.astype(str), axis=1))
        st.dataframe(
            pd.DataFrame(record_rows(scores, network), columns=list(HEADER)), hide_index=True
        )
