"""Whether a training fits into the memory there is, told before it starts."""

import os
from contextlib import suppress
from pathlib import Path

from forecast.command_settings import EngineSettings
from forecast.engine import cores
from forecast.errors import InputError
from forecast.models.covering import FORECAST_BATCH
from forecast.prices import Panel
from forecast.prices.mapped import LARGE
from forecast.settings import Settings

GB = 2**30
#: TensorFlow, Keras and the libraries around them, loaded, with a small network trained.
LIBRARIES = 1.1 * GB
#: The same in a worker, which draws and walks nothing. With what `_training_bytes` adds: the peak
#: (ru_maxrss) of a worker at default settings and 20, 100, 300, 1,000 tickers of 2,500 sessions
#: was 0.77, 1.01, 1.19 and 1.57 GB (10⁹ bytes).
WORKER = 0.85 * GB
#: Numbers kept per target of a batch (origin × horizon) and per unit and session of it, measured.
PER_TARGET, PER_UNIT = 200, 12
#: Features of a session where there are highs and lows, and fields of its prices.
FEATURES, FIELDS = 12, 6
#: Origins that are scored at most (jobs.walking.MOST_ORIGINS), tickers whose features are made at
#: once (windows.features).
MOST_ORIGINS, BLOCK = 60_000, 256
#: Numbers kept per scored origin, horizon and model: its quantiles and scores, measured.
PER_FORECAST = 200
#: Where Linux says what is free, and what a container may have.
MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")

#: One network after another, in this process.
HERE = EngineSettings()


def check_memory(settings: Settings, panel: Panel, how: EngineSettings = HERE) -> None:
    """Raise InputError when a training will need more memory than there is, with both numbers.

    What workers on other machines need is not counted.
    """
    workers, have = workers_here(settings, how), available_bytes()
    one = worker_bytes(settings, panel)
    need = max(needed_bytes(settings, panel), LIBRARIES + workers * one)
    if have is None or need <= have:
        return
    units = settings.units or 32
    apart = f"a process of {one / GB:.1f} GB beside this one, " if workers else ""
    fewer = ""
    if workers > 1:
        apart = f"{workers} processes of {one / GB:.1f} GB each, "
        fewer = "fewer --processes, "
    raise InputError(
        f"this training needs about {need / GB:.1f} GB of memory and {have / GB:.1f} GB are free: "
        f"{apart}batches of {settings.batch_size} windows × {settings.lookback} sessions × {units} "
        f"units, {len(panel.tickers)} tickers × {len(panel.sessions)} sessions. Take {fewer}a "
        "smaller --batch-size, --units or --lookback, fewer --tickers, or close other programs."
    )


def workers_here(settings: Settings, how: EngineSettings) -> int:
    """Processes of this machine that train side by side, this one left out."""
    if how.address or (how.engine == "local" and not how.processes):
        return 0
    return min(how.processes or cores(), len(settings.cell) * settings.seeds)


def needed_bytes(settings: Settings, panel: Panel) -> float:
    """Estimate the most memory that a training and its walk forward take here, in bytes."""
    S, U = len(panel.sessions), len(panel.tickers)
    origins = min(U * S * 0.2, MOST_ORIGINS) * len(settings.scored_horizons)
    forecasts = origins * PER_FORECAST * (len(settings.cell) * (settings.seeds + 2) + 10)
    return LIBRARIES + _training_bytes(settings, panel) + 4 * forecasts


def worker_bytes(settings: Settings, panel: Panel) -> float:
    """Estimate the most memory that a process takes which trains networks alone, in bytes."""
    prices = 8 * len(panel.sessions) * len(panel.tickers) * FIELDS  # each is sent its own
    return WORKER + prices + _training_bytes(settings, panel)


def _training_bytes(settings: Settings, panel: Panel) -> float:
    """A network, its batches, and the windows they are cut from."""
    S, U = len(panel.sessions), len(panel.tickers)
    T, targets = settings.lookback, settings.lookback - settings.warmup
    targets *= len(settings.learned_horizons)
    units = settings.units or 32
    B = max(settings.batch_size, FORECAST_BATCH / 2)  # forecasting keeps less
    batch = B * (targets * PER_TARGET + T * units * PER_UNIT)
    weights = 4 * units * (units + 32) * 8  # and their gradients, moments, copies
    mapped = 4 * U * S * FEATURES >= LARGE  # then in a file, but for the block at hand
    windows = (min(U, 2 * BLOCK) if mapped else U) * S * (FEATURES + 8) * 2
    closes = U * S * 8  # returns and volatilities of all tickers, in double precision
    return 4 * (batch + weights + windows + closes)


def available_bytes() -> float | None:
    """Memory that a program may still take, in bytes; None where the system does not say."""
    limits = [_free(), _container(), _allowed()]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _free() -> float | None:
    with suppress(OSError, ValueError, IndexError):
        for line in MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    return None


def _container() -> float | None:
    """What a control group leaves; "max" is no number and no limit."""
    with suppress(OSError, ValueError):
        most, taken = (
            float((CGROUP / f"memory.{name}").read_text(encoding="ascii"))
            for name in ("max", "current")
        )
        return max(most - taken, 0)
    return None


def _allowed() -> float | None:
    """What `ulimit -v` leaves: addresses, of which TensorFlow takes more than memory."""
    with suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most == resource.RLIM_INFINITY:
            return None
        taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return max(most - taken * os.sysconf("SC_PAGE_SIZE"), 0)
    return None
