"""Whether a training fits into the memory there is, told before it starts."""

import os
from contextlib import suppress
from pathlib import Path

from forecast.errors import InputError
from forecast.models.covering import FORECAST_BATCH
from forecast.prices import Panel
from forecast.prices.mapped import LARGE
from forecast.settings import Settings

GB = 2**30
#: TensorFlow, Keras and the libraries around them, loaded, with a small network trained.
LIBRARIES = 1.1 * GB
#: Numbers kept per target of a batch (origin × horizon) and per unit and session of it, measured.
PER_TARGET, PER_UNIT = 200, 12
#: Features of a session where there are highs and lows.
FEATURES = 12
#: Origins that are scored at most (jobs.walking.MOST_ORIGINS), tickers whose features are made at
#: once (windows.features).
MOST_ORIGINS, BLOCK = 60_000, 256
#: Numbers kept per scored origin, horizon and model: its quantiles and scores, measured.
PER_FORECAST = 200
#: Where Linux says what is free, and what a container may have.
MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def check_memory(settings: Settings, panel: Panel) -> None:
    """Raise InputError when a training will need more memory than there is, with both numbers."""
    need, have = needed_bytes(settings, panel), available_bytes()
    if have is None or need <= have:
        return
    units = settings.units or 32
    raise InputError(
        f"this training needs about {need / GB:.1f} GB of memory and {have / GB:.1f} GB are free: "
        f"batches of {settings.batch_size} windows × {settings.lookback} sessions × {units} units, "
        f"{len(panel.tickers)} tickers × {len(panel.sessions)} sessions. Take a smaller "
        "--batch-size, --units or --lookback, fewer --tickers, or close other programs."
    )


def needed_bytes(settings: Settings, panel: Panel) -> float:
    """Estimate the most memory that a training and its walk forward take, in bytes."""
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
    origins = min(U * S * 0.2, MOST_ORIGINS) * len(settings.scored_horizons)
    forecasts = origins * PER_FORECAST * (len(settings.cell) * (settings.seeds + 2) + 10)
    return LIBRARIES + 4 * (batch + weights + windows + closes + forecasts)


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
