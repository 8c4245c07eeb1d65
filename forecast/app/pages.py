"""The pages of the app. They read run folders and write nothing."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import altair
import pandas as pd
import streamlit as st

from forecast.app import reading
from forecast.app.reading import Entry
from forecast.errors import InputError
from forecast.escaping import markdown
from forecast.jobs.terminal import startup_notes_hidden
from forecast.names import file_stem
from forecast.report import build_report
from forecast.report.reading import RunFolder
from forecast.runs import as_csv

#: Pixels of the report inside the app.
REPORT_HEIGHT = 1000
#: Seconds between two looks at a training.
EVERY = 2
#: What is drawn of a training, where it was measured: title and columns.
LIVE = {
    "Loss (CRPS in volatilities): training and validation": ["loss", "val_loss"],
    "Gradient norm before clipping": ["gradient_norm"],
    "Memory horizon (sessions)": ["memory_sessions"],
}


def told(page: Callable[[Path], None]) -> Callable[[Path], None]:
    """Say in the page what is wrong with a run, instead of failing."""

    @wraps(page)
    def show(runs_dir: Path) -> None:
        try:
            page(runs_dir)
        except InputError as error:
            st.error(markdown(str(error)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            st.error(f"This run cannot be shown: {type(error).__name__}: {markdown(str(error))}")

    return show


@told
def runs_page(runs_dir: Path) -> None:
    """All runs, and the report of the chosen one."""
    st.title("Runs")
    st.caption(
        f"In {markdown(str(runs_dir))}. CRPS by sessions ahead, lower is better: of prices in 1e-4 "
        "log return, else in units of the value."
    )
    entries = reading.list_runs(runs_dir)
    if not entries:
        st.info("No runs here yet. Train one: `forecast train`.")
        return
    st.dataframe(pd.DataFrame([entry.row for entry in entries]), hide_index=True)
    chosen = choose("Run", whole(entries), "run")
    if chosen:
        with st.spinner("Making the report …"):
            html = report_of(chosen.path, changed(chosen.path))
        st.iframe(html, height=REPORT_HEIGHT, alt=f"Report of {chosen.name}")
        st.download_button("Save the report", html, f"{chosen.name}.html", "text/html")


@told
def compare_page(runs_dir: Path) -> None:
    """Scores, settings and losses of two runs side by side."""
    st.title("Compare two runs")
    entries = whole(reading.list_runs(runs_dir))
    if len(entries) < 2:
        st.info("Two whole runs are needed to compare.")
        return
    left, right = st.columns(2)
    with left:
        one = choose("One run", entries, "one")
    with right:
        other = choose("The other", entries, "other", index=1)
    if one is None or other is None or one == other:
        st.info("Choose two different runs.")
        return
    first, second = RunFolder(one.path), RunFolder(other.path)
    doubt = reading.comparable(first, second)
    if doubt:
        st.warning(f"Mind: {markdown(doubt)}")
    st.subheader("Scores")
    st.caption("A ratio below 1 means that the other run is lower: better for CRPS and MAE.")
    st.dataframe(reading.compare_scores(first, second).style.format("{:.5g}"))
    st.subheader("Settings that differ")
    differing = reading.compare_settings(first, second)
    if differing.empty:
        st.write("None.")
    else:
        st.dataframe(differing)
    st.subheader("Validation loss by epoch (CRPS in volatilities)")
    draw_lines(losses(first, second), "validation CRPS")


@told
def forecast_page(runs_dir: Path) -> None:
    """Forecast tickers from the newest prices with the networks of a run."""
    st.title("Forecast from the newest prices")
    chosen = choose("Run", whole(reading.list_runs(runs_dir)), "run")
    if chosen is None:
        st.info("A whole run is needed to forecast.")
        return
    names = [str(name) for name in RunFolder(chosen.path).manifest["data"]["tickers"]]
    ticker = st.selectbox("Ticker", names, key="ticker", accept_new_options=True)
    st.caption("Any other ticker of the run's source can be typed.")
    if not st.button("Forecast", type="primary", key="go") or ticker is None:
        return
    with st.spinner("Reading prices and forecasting …"):
        newest = newest_of(chosen.path, changed(chosen.path), str(ticker))
    for note in newest["notes"]:
        st.caption(markdown(note))
    st.iframe(newest["chart"], height=560, alt=f"Fan chart of {ticker}")
    st.dataframe(newest["frame"], hide_index=True)
    csv = as_csv(newest["frame"])
    st.download_button("Save as CSV", csv, f"forecast-{file_stem(str(ticker))}.csv", "text/csv")


@told
def training_page(runs_dir: Path) -> None:
    """Follow the trainings in progress."""
    st.title("Trainings in progress")
    follow(runs_dir)


@st.fragment(run_every=EVERY)
def follow(runs_dir: Path) -> None:
    """Draw what every training in progress wrote so far, again and again."""
    drafts = [entry for entry in reading.list_runs(runs_dir) if entry.state == "in progress"]
    if not drafts:
        st.info("No training is in progress here. This page looks every two seconds.")
    for draft in drafts:
        st.subheader(markdown(draft.name))
        try:
            draw_progress(reading.read_progress(draft.path))
        except InputError as error:
            st.info(markdown(str(error)))


def draw_progress(progress: pd.DataFrame) -> None:
    """Draw the newest network of a training, epoch by epoch."""
    last = progress.iloc[-1]
    mine = (progress["model"] == last["model"]) & (progress["seed"] == last["seed"])
    of = progress[mine].set_index("epoch")
    name = markdown(str(last["model"]))
    st.write(
        f"{name}, seed {last['seed']}: epoch {last['epoch']} of at most {last['epochs']}; "
        f"best validation CRPS {of['val_loss'].min():.4f} in epoch {of['val_loss'].idxmin()}"
    )
    places = st.columns(len(LIVE))
    for place, (title, columns) in zip(places, LIVE.items(), strict=True):
        known = [column for column in columns if of[column].notna().any()]
        if known:
            place.caption(title)
            with place:
                draw_lines(of[known], "")


def draw_lines(frame: pd.DataFrame, y: str) -> None:
    """Draw every column by epoch; unlike Streamlit's own chart the axis need not start at zero."""
    long = frame.rename_axis("epoch").reset_index().melt("epoch").dropna()
    axis = altair.Y("value", title=y, scale=altair.Scale(zero=False))
    legend = altair.Legend(title=None, orient="bottom")
    color = altair.Color("variable", legend=legend if frame.shape[1] > 1 else None)
    chart = altair.Chart(long).mark_line(point=len(frame) < 30)
    st.altair_chart(
        chart.encode(x=altair.X("epoch", axis=altair.Axis(tickMinStep=1)), y=axis, color=color)
    )


def whole(entries: list[Entry]) -> list[Entry]:
    """The runs that can be shown."""
    return [entry for entry in entries if entry.state == "whole"]


def choose(label: str, entries: list[Entry], key: str, index: int = 0) -> Entry | None:
    """Let the reader choose a run."""
    if not entries:
        return None
    named = {entry.name: entry for entry in entries}
    return named.get(str(st.selectbox(label, list(named), index=index, key=key)))


def changed(path: Path) -> float:
    """When a file of the run was last changed: part of the key of what is kept in memory."""
    return max((file.stat().st_mtime for file in path.iterdir()), default=0.0)


@st.cache_data(max_entries=8, show_spinner=False)
def report_of(path: Path, changed_at: float) -> str:
    """The report, made anew from the frames: a page that lies in a folder is not trusted."""
    return build_report(path)


@st.cache_data(max_entries=32, ttl=300, show_spinner=False)
def newest_of(path: Path, changed_at: float, ticker: str) -> dict[str, Any]:
    """Forecast one ticker with the networks of a run: chart, table and remarks on the prices."""
    with startup_notes_hidden():
        from forecast.app.newest import forecast_now

    return forecast_now(path, ticker)


def losses(one: RunFolder, other: RunFolder) -> pd.DataFrame:
    """Validation loss by epoch, one column per run: the mean over the seeds of its network."""
    parts = {}
    for run in (one, other):
        history = run.frame("history.csv", ["model", "epoch", "val_loss"])
        mine = history[history["model"] == run.model]
        parts[run.name] = mine.groupby("epoch")["val_loss"].mean()
    return pd.DataFrame(parts)
