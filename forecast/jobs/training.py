"""`forecast train`: from prices to a run folder."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from forecast import runs
from forecast.command_settings import BacktestSettings, EngineSettings
from forecast.drafts import CHECKPOINT, new_run
from forecast.jobs.fans import write_fans
from forecast.jobs.gates import write_gates
from forecast.jobs.networks import train_networks
from forecast.jobs.refitting import frozen
from forecast.jobs.reporting import add_report
from forecast.jobs.scoring import score_into
from forecast.jobs.series import unit_of
from forecast.jobs.starting import PANEL, Start, save_start
from forecast.jobs.terminal import Terminal, startup_notes_hidden
from forecast.jobs.versions import machine, versions
from forecast.jobs.walking import once
from forecast.jobs.workers import workers
from forecast.plots import plot_gradient_by_lag, plot_gradient_norms, plot_loss, save
from forecast.prices.storing import describe
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster
from forecast.training.devices import fix_order, leave_out_broken_gpu

#: One network after another, in this process.
HERE = EngineSettings()


def train(start: Start, terminal: Terminal, how: EngineSettings = HERE) -> Path:
    """Train every cell and seed, evaluate them, write the run folder and return its path.

    Every epoch is saved beside the runs until the run is whole. Raises InputError for anything
    the user can mend; then no run folder exists.
    """
    settings, prepared = start.settings, start.prepared
    fix_order()
    with startup_notes_hidden():
        note = leave_out_broken_gpu()
    if note:
        terminal.line(f"  {note}")
    with new_run(settings.runs_dir, start.name, resume=bool(start.resumed)) as folder:
        save_start(folder / CHECKPOINT, start)
        with workers(how) as engine:
            networks = train_networks(settings, prepared, terminal, folder, engine)
        write_networks(folder, networks, settings)
        say_comparison(networks, terminal)
        models = {cell: Ensemble(members) for cell, members in networks.items()}
        facts = {cell: _facts(members) for cell, members in networks.items()}
        manifest = write_manifest(folder, start, how)
        backtest = once(settings, prepared, models, BacktestSettings(), terminal)
        score_into(folder, manifest, prepared, backtest, facts, terminal)
        del backtest  # it may hold a gigabyte, and the fan charts need memory too
        with terminal.stage("fan charts"):
            write_fans(folder, prepared, models, settings.horizon)
            write_gates(folder, prepared, networks[settings.cell[0]][0], terminal)
    final = settings.runs_dir / start.name
    if not settings.no_report:
        add_report(final, terminal)
    terminal.path(final)
    return final


def _facts(members: list[NeuralForecaster]) -> dict[str, Any]:
    """What metrics.json says of a cell beside its scores; times are means over the seeds."""
    count = len(members)
    return {
        "params": members[0].network_.count_params(),
        "step_ms": sum(m.step_ms_ for m in members) / count,
        "fit_seconds": sum(m.fit_seconds_ for m in members) / count,
        "validation_crps": sum(m.history_["val_loss"].min() for m in members) / count,
        "ewma_t_validation_crps": members[0].prior_crps_,
        "seeds": count,
        "lr": [m.lr_ for m in members],
        "first_losses": members[0].first_losses_,
        "alerts": [{"seed": m.seed} | alert for m in members for alert in m.alerts_],
    }


def write_networks(
    folder: Path, networks: dict[str, list[NeuralForecaster]], settings: Settings
) -> None:
    """Write models, history, telemetry, the pictures of the training and TensorBoard logs."""
    (folder / "models").mkdir()
    history, telemetry = [], []
    for cell, members in networks.items():
        for member in members:
            member.save(folder / "models" / f"{cell}-seed{member.seed}.keras")
            history.append(member.history_.assign(model=cell, seed=member.seed))
            if member.telemetry_ is not None:
                telemetry.append(member.telemetry_.assign(model=cell, seed=member.seed))
    history_frame = pd.concat(history, ignore_index=True)
    runs.write_settings(folder, settings)
    runs.write_frame(folder / "history.csv", history_frame)
    plots = folder / "plots"
    plots.mkdir()
    start = next(iter(networks.values()))[0].prior_crps_
    save(plot_loss(history_frame, start=start), plots / "loss.png")
    if telemetry:
        telemetry_frame = pd.concat(telemetry, ignore_index=True)
        runs.write_frame(folder / "telemetry.parquet", telemetry_frame)
        draw_telemetry(plots, telemetry_frame, settings.clip_norm)
    if settings.tensorboard:
        from forecast.telemetry.tensorboard import write_logs

        write_logs(folder / "tensorboard", telemetry_frame if telemetry else None, history_frame)


def draw_telemetry(plots: Path, telemetry: pd.DataFrame, clip_norm: float) -> None:
    """Draw what was measured of it: norms by step, gradients by lag."""
    if (telemetry["quantity"] == "global_norm").any():
        save(plot_gradient_norms(telemetry, clip_norm), plots / "gradient_norms.png")
    if telemetry["quantity"].isin(("state_gradient_norm", "cell_gradient_norm")).any():
        save(plot_gradient_by_lag(telemetry), plots / "gradient_by_lag.png")


def say_comparison(networks: dict[str, list[NeuralForecaster]], terminal: Terminal) -> None:
    """Say how equal our LSTM and Keras's were: same weights, same batches, same losses."""
    if not {"lstm", "keras-lstm"} <= set(networks):
        return
    ours, keras_ = networks["lstm"][0], networks["keras-lstm"][0]
    rows = []
    for title, value in (
        ("loss of the first step", lambda n: n.first_losses_[0]),
        ("loss after the first step", lambda n: n.first_losses_[-1]),
        ("loss at the end", lambda n: n.history_["loss"].iloc[-1]),
        ("best validation CRPS", lambda n: n.history_["val_loss"].min()),
    ):
        a, b = float(value(ours)), float(value(keras_))
        rows.append((title, f"{a:.6f}", f"{b:.6f}", f"{abs(a - b) / b:.1e}"))
    rows.append(
        ("step, an operation a thread (ms)", f"{ours.step_ms_:.1f}", f"{keras_.step_ms_:.1f}",
         f"{ours.step_ms_ / keras_.step_ms_:.2f} of Keras's")
    )  # fmt: skip
    if not terminal.quiet:
        terminal.table(
            "Our LSTM beside keras.layers.LSTM: same weights, same batches (CRPS in volatilities)",
            ("", "lstm", "keras-lstm", "relative difference"),
            rows,
        )


def write_manifest(folder: Path, start: Start, how: EngineSettings) -> dict[str, Any]:
    """Write ``manifest.json``, what is needed to repeat the run and to trust its files."""
    settings, prepared = start.settings, start.prepared
    shutil.copyfile(folder / CHECKPOINT / PANEL, folder / PANEL)
    files = sorted([*folder.glob("models/*.keras"), folder / PANEL, folder / "settings.yaml"])
    manifest = {
        "command": start.command,
        "created": start.created,
        "resumed": start.resumed,
        "data": describe(prepared.panel) | {"unit": unit_of(prepared.panel)},
        "splits": prepared.splits.dates(prepared.panel),
        "last_training_date": f"{prepared.until:%Y-%m-%d}",
        "seeds": list(range(settings.seed, settings.seed + settings.seeds)),
        "versions": versions(),
        "machine": machine(),
        "engine": how.model_dump(mode="json", exclude={"address"}),
        "backtest": frozen(settings, prepared, BacktestSettings())[1],
        "tuned_trials": settings.tuned_trials,
        "notes": prepared.notes,
        "files": {p.relative_to(folder).as_posix(): runs.file_sha256(p) for p in files},
    }
    runs.write_json(folder / "manifest.json", manifest)
    return manifest
