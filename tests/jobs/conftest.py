"""Commands with few baselines; evenings of `forecast daily` with a fast forecaster."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pandas as pd
import pytest

from forecast.cli import main
from forecast.command_settings import DailySettings
from forecast.jobs import daily as job
from forecast.jobs.evening import Evening
from forecast.jobs.terminal import Terminal
from forecast.ledger import open_ledger
from forecast.models.baselines import EwmaT
from forecast.prices import garch_prices

SESSIONS = 300


class Network(EwmaT):
    """What forecasts in the place of the network."""

    name = "lstm"


@pytest.fixture
def network(monkeypatch):
    """The class of what forecasts, for tests that spoil it."""
    monkeypatch.setattr(Evening, "load", lambda self: Network(decay=0.9))
    return Network


class Evenings:
    """A folder with a CSV file that grows, and the ledger of it."""

    def __init__(self, folder):
        self.folder = folder
        self.rows = garch_prices(3, SESSIONS, 0, start="2024-01-02")
        self.days = self.rows["ds"].unique()
        self.csv, self.ledger = folder / "prices.csv", folder / "ledger.sqlite"

    def feed(self, session, lost=()):
        """Write prices to one session; `lost` are tickers without them."""
        rows = self.rows[(self.rows["ds"] <= self.days[session])]
        rows = rows[~rows["unique_id"].isin(lost)]
        rows.rename(columns={"unique_id": "ticker", "ds": "date"}).to_csv(self.csv, index=False)

    def settings(self, **more):
        given = {"pretrained": True, "source": "csv", "csv": (self.csv,), "ledger": self.ledger}
        return DailySettings.model_validate(given | more)

    @property
    def command(self):
        """The words that begin an evening, by the clock of this machine."""
        prices = ("--pretrained", "--source", "csv", "--csv", self.csv)
        return ("daily", *prices, "--ledger", self.ledger)

    def now(self, session):
        return pd.Timestamp(self.days[session], tz="UTC") + pd.Timedelta(hours=22)

    def run(self, session, **more):
        return job.daily(self.settings(**more), Terminal(), self.now(session))

    def evening(self, session, **more):
        self.feed(session)
        return self.run(session, **more)

    def frames(self):
        """Everything in the ledger but the times at which it was written."""
        with open_ledger(self.ledger, read_only=True) as ledger:
            forecasts, scores = ledger.forecasts(), ledger.scores()
        key = ["unique_id", "cutoff", "h", "model"]
        told = ["made_at", "caught_up", "scored_at", "data_sha256"]
        return [
            frame.drop(columns=told, errors="ignore").sort_values(key).reset_index(drop=True)
            for frame in (forecasts, scores)
        ]

    def assert_holds(self, frames):
        """Everything is as it was when these were taken."""
        for have, expected in zip(self.frames(), frames, strict=True):
            pd.testing.assert_frame_equal(have, expected)


@pytest.fixture
def make_evenings(network, tmp_path):
    """Return a function that begins evenings in a folder of that name, or goes on with a copy."""

    def make(name, begun=None):
        folder = tmp_path / name
        shutil.copytree(begun, folder) if begun else folder.mkdir()
        return Evenings(folder)

    return make


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A folder after the evening of session 200, and what a ledger holds after 206 as well."""
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Evening, "load", lambda self: Network(decay=0.9))
        Evenings(first).evening(200)
        shutil.copytree(first, second, dirs_exist_ok=True)
        whole = Evenings(second)
        whole.evening(206)
    return first, whole.frames()


@pytest.fixture
def evenings(make_evenings):
    """Evenings of one folder."""
    return make_evenings("evenings")


@pytest.fixture
def call(capsys):
    """Run a command; return its exit code, output and errors."""

    def run(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return stopped.value.code, said.out, said.err

    return run


@pytest.fixture(scope="session")
def few_baselines() -> Callable[[], AbstractContextManager[None]]:
    """Return a context in which only the baselines that cost nothing are walked."""
    from forecast.jobs import refitting, scoring, walking
    from forecast.models.baselines import BASELINES

    few = {name: BASELINES[name] for name in ("ewma-t", "drift")}

    @contextmanager
    def only() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for module in (walking, scoring, refitting):
                patch.setattr(module, "BASELINES", few)
            yield

    return only
