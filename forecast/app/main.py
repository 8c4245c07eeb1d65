"""What Streamlit runs; `forecast app` starts it."""

import sys
from functools import partial
from pathlib import Path

import streamlit as st

from forecast.app import live, pages
from forecast.app.serving import is_loopback


def main(runs_dir: Path) -> None:
    """Show the app for a folder of runs; refuse when other machines could reach it."""
    st.set_page_config("forecast", layout="wide")
    address = st.get_option("server.address") or "every address of this machine"
    if not is_loopback(address):
        st.error(f"This app shows files of this machine, and it is bound to {address}. "
                 "Start it with `forecast app`, which binds it to 127.0.0.1.")  # fmt: skip
        st.stop()
    shown = {
        "Runs": pages.runs_page,
        "Compare": pages.compare_page,
        "Forecast": pages.forecast_page,
        "Training": pages.training_page,
        "Track record": live.live_page,
    }
    st.navigation(
        [
            st.Page(
                partial(page, runs_dir),
                title=title,
                url_path=title.lower().replace(" ", "-"),
                default=not k,
            )
            for k, (title, page) in enumerate(shown.items())
        ],
        position="top",
    ).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
