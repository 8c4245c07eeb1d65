"""CRPS and time of NeuralForecast's LSTM and DeepAR beside ours, at equal origins.

    pip install -e ".[bench,peers]"
    python scripts/bench_peers.py [--source sp500|bundled] [--seeds 1] [--json peers.json]

The split is that of bench_skill.py: one training, no refit. NeuralForecast forecasts the value of
a series some steps ahead, so each peer is trained once per scored horizon on the log return over
h sessions, from 160 sessions of it, with the last daily return and its size as covariates. Both
have 32 units, as ours, batches of 128 windows, and stop by the validation part.

The LSTM learns the 99 quantiles that are scored (MQLoss), directly h sessions ahead; crossed ones
are sorted. DeepAR learns a Student-t one step ahead and would feed back its mean beyond that, which
makes bands of returns too narrow (63 % instead of 90 % at 5 sessions); so a step is h sessions, and
each of the h ways to cut the sessions into steps is a series. The scaler is the better one on
validation dates. Ours is the default network.
"""

import logging
import re
import time
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Self

import numpy as np
import pandas as pd

from forecast.evaluation.backtest import make_cutoffs, walk_forward
from forecast.evaluation.scores import scores, summary
from forecast.evaluation.significance import skill_table
from forecast.jobs.comparing import (
    by_horizon,
    make_parser,
    say_crps,
    say_skill,
    settings_of,
    train_seeds,
    write_result,
)
from forecast.jobs.prepare import Prepared, prepare
from forecast.jobs.skill_page import name_of
from forecast.jobs.terminal import Terminal
from forecast.models.base import LEVELS, Forecaster
from forecast.models.baselines import BASELINES
from forecast.prices import Panel
from forecast.settings import Settings
from forecast.training import Ensemble

PEERS = ("LSTM", "DeepAR")
INPUT_SESSIONS, UNITS, MAX_STEPS, CHECK_EVERY = 160, 32, 300, 100
COVARIATES = ("log_return", "size")
#: The better one on validation dates; NeuralForecast's others take each window by its own scale.
SCALER = "identity"


class Peer(Forecaster):
    """A network of NeuralForecast for each scored horizon.

    After `fit`: ``fit_seconds_`` and ``params_``, both over all horizons.
    """

    def __init__(
        self, kind: str, horizons: tuple[int, ...], validation_start: pd.Timestamp
    ) -> None:
        self.kind = kind
        self.horizons = horizons
        self.validation_start = validation_start

    @property
    def name(self) -> str:
        """``neuralforecast-lstm`` and the like."""
        return f"neuralforecast-{self.kind.lower()}"

    def fit(self, panel: Panel, until: pd.Timestamp) -> Self:
        """Train a network per horizon; stops by the sessions from `validation_start` to `until`."""
        from neuralforecast import NeuralForecast

        past = panel.select(end=until)
        validation = len(past.sessions) - past.sessions.searchsorted(self.validation_start)
        began = time.perf_counter()
        self.networks_ = {h: NeuralForecast([peer(self.kind, h)], freq=1) for h in self.horizons}
        for h, network in self.networks_.items():
            step = self._step(h)
            network.fit(peer_frame(past, h, step), val_size=int(validation) // step)
        self.fit_seconds_ = time.perf_counter() - began
        weights = (w for n in self.networks_.values() for w in n.models[0].parameters())
        self.params_ = sum(w.numel() for w in weights)
        return self

    def forecast(
        self,
        panel: Panel,
        cutoffs: pd.DataFrame,
        horizons: tuple[int, ...],
        levels: np.ndarray = LEVELS,
    ) -> np.ndarray:
        """Return the 99 quantiles (N, H, Q) of the log return."""
        session, _ = panel.locate(cutoffs)
        ticker = cutoffs["unique_id"].astype(str).to_numpy()
        result = np.empty((len(cutoffs), len(horizons), len(levels)), np.float32)
        for k, h in enumerate(horizons):
            step = self._step(h)
            later = (len(panel.sessions) - 1 - int(session.min())) // step + 1
            frame = self.networks_[h].cross_validation(
                peer_frame(panel, h, step), use_fitted=True, n_windows=None, test_size=later
            )
            ahead = frame[frame["ds"] - frame["cutoff"] == h // step]
            ahead = ahead.set_index(["unique_id", "cutoff"])
            wanted = pd.MultiIndex.from_arrays([series_of(ticker, session, step), session // step])
            values = ahead[quantile_columns(ahead, levels)].reindex(wanted).to_numpy()
            result[:, k] = np.sort(values, axis=1) * np.sqrt(h) / 100
        return result

    def _step(self, h: int) -> int:
        """Sessions in a step of the series."""
        return h if self.kind == "DeepAR" else 1


def peer(kind: str, h: int) -> Any:
    """Return an untrained network of NeuralForecast for `h` sessions ahead.

    One step of `h` sessions for DeepAR, `h` steps of one session for the LSTM.
    """
    from neuralforecast.losses.pytorch import DistributionLoss, MQLoss
    from neuralforecast.models import LSTM, DeepAR

    levels = [round(float(level), 2) for level in LEVELS]
    shared = {
        "h": 1 if kind == "DeepAR" else h,
        "input_size": INPUT_SESSIONS // (h if kind == "DeepAR" else 1),
        # at h = 1 the daily return is the series itself
        "hist_exog_list": [name for name in COVARIATES if h > 1 or name != "log_return"],
        "scaler_type": SCALER,
        "max_steps": MAX_STEPS,
        "val_check_steps": CHECK_EVERY,
        "early_stop_patience_steps": 2,
        "windows_batch_size": 128,
        "inference_windows_batch_size": 4096,
        "valid_loss": MQLoss(quantiles=levels),
        "random_seed": 0,
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    if kind == "LSTM":
        return LSTM(
            encoder_hidden_size=UNITS,
            encoder_n_layers=1,
            decoder_hidden_size=UNITS,
            loss=MQLoss(quantiles=levels),
            **shared,
        )
    loss = DistributionLoss("StudentT", quantiles=levels)
    return DeepAR(lstm_hidden_size=UNITS, lstm_n_layers=1, lstm_dropout=0.0, loss=loss, **shared)


def peer_frame(panel: Panel, h: int, step: int) -> pd.DataFrame:
    """Return the long frame NeuralForecast takes: ``unique_id, ds, y, log_return, size``.

    ``y`` is the log return over the last h sessions / √h, ``log_return`` that of the last session,
    ``size`` the mean absolute one over the last `step` sessions, all in per cent. `ds` counts
    steps; every ticker is `step` series, one for each first session.
    """
    level = pd.DataFrame(100 * panel.level)
    daily = level.diff()
    size = daily.abs().rolling(step).mean()
    rows = []
    for u, ticker in enumerate(panel.tickers):
        columns = {"y": level[u].diff(h) / np.sqrt(h), "log_return": daily[u], "size": size[u]}
        one = pd.DataFrame(columns).dropna()
        session = one.index.to_numpy()
        names = series_of(np.full(len(one), ticker), session, step)
        rows.append(one.assign(unique_id=names, ds=session // step))
    return pd.concat(rows, ignore_index=True).sort_values(["unique_id", "ds"], ignore_index=True)


def series_of(ticker: np.ndarray, session: np.ndarray, step: int) -> np.ndarray:
    """Names of the series that N sessions belong to."""
    return np.char.add(np.char.add(ticker.astype(str), " "), (session % step).astype(str))


def quantile_columns(frame: pd.DataFrame, levels: Sequence[float] | np.ndarray) -> list[str]:
    """Names of the columns of the quantile levels in `frame`, ascending."""
    found = {}
    for name in map(str, frame.columns):
        match = re.search(r"-(lo|hi)-([0-9.]+)$", name)
        if match:
            sign = -1 if match[1] == "lo" else 1
            found[round(50 + sign * float(match[2]) / 2)] = name
        elif name.endswith("-median"):
            found[50] = name
    return [found[round(100 * level)] for level in levels]


def measure(settings: Settings, prepared: Prepared) -> tuple[dict[str, Any], pd.DataFrame]:
    """Train, walk forward and score; the result for the JSON file and the skill table."""
    panel, horizons = prepared.panel, settings.scored_horizons
    cutoffs = make_cutoffs(panel, prepared.test_start, horizon=settings.horizon)
    began = time.perf_counter()
    networks = train_seeds(settings, prepared)
    cost = {"lstm": {"fit_seconds": time.perf_counter() - began}}
    cost["lstm"]["params"] = sum(n.network_.count_params() for n in networks)
    models: dict[str, Forecaster] = {"lstm": Ensemble(networks)}
    for kind in PEERS:
        model = Peer(kind, horizons, prepared.validation_start).fit(panel, prepared.until)
        models[model.name] = model
        cost[model.name] = {"fit_seconds": model.fit_seconds_, "params": model.params_}
    for name, model in models.items():
        began = time.perf_counter()
        model.forecast(panel, cutoffs, horizons)
        cost[name]["backtest_seconds"] = time.perf_counter() - began
    prior = BASELINES["ewma-t"]().fit(panel, prepared.until)
    backtest = walk_forward({**models, "ewma-t": prior}, panel, cutoffs, horizons)
    table = scores(backtest, panel)
    means, skill = summary(table), skill_table(table, ["lstm"], [*models, "ewma-t"][1:])
    splits = prepared.splits.dates(panel)
    result = {
        "benchmark": "peers",
        "name": f"peers-{name_of(settings.source, splits)}",
        "splits": splits,
        "source": settings.source,
        "origins": len(cutoffs),
        "crps_1e4": by_horizon(means, "crps", 1e4),
        "coverage_90": by_horizon(means, "coverage_90"),
        "skill": skill.to_dict("records"),
        "cost": cost,
    }
    return result, skill


def say(result: dict[str, Any], skill: pd.DataFrame, terminal: Terminal) -> None:
    """Print scores, what they cost, and whether ours is better."""
    say_crps(result, terminal)
    terminal.table(
        f"Cost, {torch_threads()} threads: training to the end of the validation part; forecasting "
        f"all {result['origins']:,} origins at {skill['h'].nunique()} horizons",
        ("", "weights", "fit (s)", "backtest (s)"),
        [
            (name, f"{of['params']:,}", f"{of['fit_seconds']:.1f}", f"{of['backtest_seconds']:.2f}")
            for name, of in result["cost"].items()
        ],
    )
    say_skill(skill, list(result["crps_1e4"])[1:], terminal)


def torch_threads() -> int:
    """Threads that torch computes with."""
    import torch

    return int(torch.get_num_threads())


def main() -> None:
    """Parse, measure, print, write."""
    parser = make_parser(__doc__, "peers", seeds=1)
    arguments = parser.parse_args()
    if not find_spec("neuralforecast"):
        parser.error('NeuralForecast is not installed; pip install -e ".[bench,peers]"')
    import neuralforecast  # noqa: F401  # Lightning sets the level of its notes when imported

    for name in ("tensorflow", "pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|neuralforecast|torch)(\.|$)")

    settings, terminal = settings_of(arguments), Terminal()
    result, skill = measure(settings, prepare(settings, terminal))
    say(result, skill, terminal)
    write_result(result, arguments)


if __name__ == "__main__":
    main()
