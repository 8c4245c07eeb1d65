"""The networks of a training: one after another in this process, or side by side on an engine."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd

from forecast import runs
from forecast.counts import counted
from forecast.drafts import CHECKPOINT
from forecast.engine import Engine
from forecast.jobs.following import keep_progress
from forecast.jobs.prepare import Prepared
from forecast.jobs.terminal import Terminal
from forecast.prices import Panel
from forecast.settings import Cell, Settings
from forecast.training import NeuralForecaster, ProgressReport
from forecast.training.checkpoint import check_key, saved_paths
from forecast.training.outcome import OUTCOME, read_outcome
from forecast.training.preparing import training_data, training_key


class Unit(NamedTuple):
    """A network to be trained, with the checkpoints there are of it, by file name."""

    cell: Cell
    seed: int
    saved: dict[str, bytes]

    def __str__(self) -> str:
        return f"{self.cell}, seed {self.seed}"

    @property
    def key(self) -> str:
        """Its name among files."""
        return f"{self.cell}-seed{self.seed}"


class Shared(NamedTuple):
    """What all networks need; `draft` is the run in progress, None where it cannot be reached."""

    settings: Settings
    panel: Panel
    until: pd.Timestamp
    validation_start: date
    draft: Path | None


class Trained(NamedTuple):
    """What a worker hands back: lines it said, figures by epoch, files by name.

    The last two are empty when they were written into the draft.
    """

    said: list[str]
    figures: list[dict[str, float]]
    saved: dict[str, bytes]


def train_networks(
    settings: Settings, prepared: Prepared, terminal: Terminal, draft: Path, engine: Engine
) -> dict[str, list[NeuralForecaster]]:
    """One trained network per cell and seed; each cell sees the same seeds and batches.

    Those with a checkpoint in the `draft` of the run go on where they were. Raises InputError when
    it is of another training.
    """
    day = prepared.validation_start.date()
    shared = Shared(settings, prepared.panel, prepared.until, day, draft)
    seeds = range(settings.seed, settings.seed + settings.seeds)
    units = [Unit(cell, seed, {}) for cell in settings.cell for seed in seeds]
    made = taken_over(shared, units, terminal)
    todo = [unit for unit in units if unit.key not in made]
    if todo and engine.apart:
        made |= side_by_side(shared, todo, terminal, engine)
    else:
        made |= {unit.key: one_here(shared, unit, terminal) for unit in todo}
    return {cell: [made[u.key] for u in units if u.cell == cell] for cell in settings.cell}


def taken_over(
    shared: Shared, units: list[Unit], terminal: Terminal
) -> dict[str, NeuralForecaster]:
    """The networks that an earlier call has finished, after a look at what they were trained on."""
    places = [(unit, _folder(shared, unit)) for unit in units]
    found = [(u, f, state) for u, f in places if (state := read_outcome(f, terminal.line))]
    if not found:
        return {}
    settings = shared.settings
    data = training_data(settings, shared.panel, shared.until, shared.validation_start)
    made = {}
    for unit, folder, state in found:
        check_key(state, training_key(settings, unit.cell, unit.seed, data), folder / OUTCOME)
        made[unit.key] = _network(shared, unit).take_over(state, folder, data.market)
        say_trained(made[unit.key], terminal, f"{unit}: ")
    return made


def one_here(shared: Shared, unit: Unit, terminal: Terminal) -> NeuralForecaster:
    """Train a network in this process, with a bar."""
    settings = shared.settings
    terminal.heading(f"Training {unit} (CRPS in units of volatility × √horizon)")
    with terminal.progress(str(unit), settings.epochs * settings.steps_per_epoch) as bar:
        assert shared.draft
        keep = keep_progress(shared.draft, _about(settings, unit))
        network = fit(shared, unit, shared.draft, ProgressReport(bar.step, terminal.line, keep))
    say_trained(network, terminal)
    return network


def side_by_side(
    shared: Shared, todo: list[Unit], terminal: Terminal, engine: Engine
) -> dict[str, NeuralForecaster]:
    """Train networks in other processes; this one takes over what each has left."""
    draft = shared.draft
    assert draft
    made, market = {}, tuple(shared.panel.tickers)
    keeps = {unit.key: keep_progress(draft, _about(shared.settings, unit)) for unit in todo}
    sent = shared
    if not engine.shares_files:
        sent = shared._replace(draft=None)
        todo = [unit._replace(saved=_read(_folder(shared, unit))) for unit in todo]
    terminal.heading(
        f"Training {counted(len(todo), 'network')}, {min(engine.processes, len(todo))} side by "
        "side, each on one core (CRPS in units of volatility × √horizon)"
    )
    with terminal.progress("networks", len(todo)) as bar:
        for number, trained in engine.run(train_one, todo, sent, str):
            unit = todo[number]
            _write(_folder(shared, unit), trained.saved)
            for figures in trained.figures:
                keeps[unit.key](figures)
            terminal.heading(f"Trained {unit}")
            for line in trained.said:
                terminal.line(line)
            made[unit.key] = just_trained(shared, unit, market)
            say_trained(made[unit.key], terminal, f"{unit}: ")
            bar.step(str(unit))
    return made


def just_trained(shared: Shared, unit: Unit, market: Sequence[str]) -> NeuralForecaster:
    """A network as its worker left it; the cost of this must not grow with the prices.

    There was no outcome before (see `taken_over`): it is of this training, unless the disk is full.
    """
    folder = _folder(shared, unit)
    state = read_outcome(folder, _quiet)
    if state:
        return _network(shared, unit).take_over(state, folder, market)
    assert shared.draft
    return fit(shared, unit, shared.draft, ProgressReport(_quiet, _quiet))


def train_one(shared: Shared, unit: Unit) -> Trained:
    """Train a network, in whatever process this is called."""
    said: list[str] = []
    figures: list[dict[str, float]] = []
    with ExitStack() as stack:
        draft = shared.draft or Path(stack.enter_context(TemporaryDirectory()))
        folder = draft / CHECKPOINT / unit.key
        _write(folder, unit.saved)
        keep = keep_progress(draft, _about(shared.settings, unit))

        def keep_here(values: Mapping[str, float]) -> None:
            figures.append(dict(values))

        report = ProgressReport(_quiet, said.append, keep if shared.draft else keep_here)
        fit(shared, unit, draft, report)
        return Trained(said, figures, {} if shared.draft else _read(folder))


def fit(shared: Shared, unit: Unit, draft: Path, report: ProgressReport) -> NeuralForecaster:
    """Train a network, or what is left to train of it."""
    saved = draft / CHECKPOINT / unit.key
    return _network(shared, unit, report, saved).fit(shared.panel, shared.until)


def say_trained(network: NeuralForecaster, terminal: Terminal, title: str = "") -> None:
    """Say how the training ended and what it cost."""
    best, epochs = network.history_["val_loss"].argmin(), len(network.history_)
    terminal.line(
        f"  {title}best epoch {best + 1} of {epochs}; {network.fit_seconds_:.1f} s, "
        f"{network.step_ms_:.1f} ms per step of {counted(network.settings.batch_size, 'window')}; "
        f"learning rate {network.lr_:.2g}; "
        f"validation CRPS of the EWMA-t it starts from: {network.prior_crps_:.4f}"
    )


def _network(
    shared: Shared, unit: Unit, report: ProgressReport | None = None, saved: Path | None = None
) -> NeuralForecaster:
    """The network of a unit, not trained yet."""
    day = shared.validation_start
    return NeuralForecaster(shared.settings, unit.cell, unit.seed, day, report, saved)


def _folder(shared: Shared, unit: Unit) -> Path:
    """Where what was saved of it is in the draft."""
    assert shared.draft
    return shared.draft / CHECKPOINT / unit.key


def _about(settings: Settings, unit: Unit) -> dict[str, object]:
    return {"model": unit.cell, "seed": unit.seed, "epochs": settings.epochs}


def _read(folder: Path) -> dict[str, bytes]:
    paths = [*saved_paths(folder), *folder.glob(OUTCOME)]
    return {path.name: path.read_bytes() for path in paths}


def _write(folder: Path, saved: Mapping[str, bytes]) -> None:
    for name, content in saved.items():
        folder.mkdir(parents=True, exist_ok=True)
        runs.write_atomic(folder / name, content)


def _quiet(text: str) -> None:
    """Say nothing."""
