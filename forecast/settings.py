"""The settings of a run, declared once: flags, YAML and the run folder derive from them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from forecast.names import check_run_name

Cell = Literal["lstm", "keras-lstm", "gru", "simple-rnn"]
Telemetry = Literal["economy", "standard", "full", "off"]
Source = Literal["bundled", "csv", "yahoo", "sp500", "parquet"]
Calendar = Annotated[str, Field(pattern=r"^[A-Za-z0-9/_]+$", max_length=12)]

#: Horizons that are scored, in sessions: a day, a week, a month of trading.
SCORED_HORIZONS = (1, 5, 20)
#: Horizons the network learns; those between are interpolated (see layers.quantile_function).
LEARNED_HORIZONS = (1, 2, 3, 5, 10, 20, 40, 80, 160)


class Search(NamedTuple):
    """Where `forecast tune` looks for a setting: from `low` to `high`, or among `choices`."""

    low: float = 0
    high: float = 0
    log: bool = False
    choices: tuple[int | float | str, ...] = ()


class Choices(BaseModel):
    """Choices of a user: frozen, checked, none unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _check_nul(cls, value: object) -> object:
        """No file system takes a NUL, and no name holds one."""
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, str) and "\0" in part:
                raise ValueError("there is a NUL sign in it")
        return value

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What differs from the defaults: enough to write the same settings again."""
        for name, field in type(self).model_fields.items():
            if getattr(self, name) != field.default:
                yield name, getattr(self, name)


class PriceSettings(Choices):
    """Which prices, from where."""

    source: Source = Field("bundled", description="where the prices come from")
    csv: tuple[Path, ...] = Field((), description="CSV file with prices; repeat for several")
    path: Path | None = Field(
        None, description="folder with a Parquet file or more per ticker, unique_id=AAPL/…"
    )
    tickers: tuple[str, ...] = Field((), description="tickers to use (default: all there are)")
    start: date | None = Field(None, description="first session to use")
    end: date | None = Field(None, description="last session to use")
    calendar: Calendar = Field(
        "auto", description="exchange calendar: XNYS, XLON, 24/7 (plain days) …; auto: by source"
    )
    sep: str = Field(",", min_length=1, max_length=1, description="separator in the CSV files")
    decimal: Literal[".", ","] = Field(".", description="decimal sign in the CSV files")
    date_format: str | None = Field(
        None, description="format of the dates in the CSV files, as %d/%m/%Y (default: ISO)"
    )

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        if self.csv and self.source != "csv":
            raise ValueError(f"--csv goes with --source csv, not with --source {self.source}")
        if self.source == "csv" and not self.csv:
            raise ValueError("--source csv needs at least one --csv PATH")
        if self.path and self.source != "parquet":
            raise ValueError(f"--path goes with --source parquet, not with --source {self.source}")
        if self.source == "parquet" and not self.path:
            raise ValueError("--source parquet needs --path DIR")
        if self.start and self.end and self.start >= self.end:
            raise ValueError(f"--start {self.start} is not before --end {self.end}")
        return self


class WindowSettings(Choices):
    """How the panel is cut into windows and into training, validation and test."""

    lookback: Annotated[int, Search(choices=(80, 160, 240))] = Field(
        160, ge=8, le=4096, description="longest context of a forecast, sessions"
    )
    horizon: int = Field(20, ge=1, le=250, description="longest forecast, sessions")
    validation_start: date | None = Field(
        None, description="first validation session (default: after 65 % of the sessions)"
    )
    test_start: date | None = Field(
        None, description="first test session (default: after 80 % of the sessions)"
    )

    closes_only: bool = Field(
        False, description="learn from adjusted closes alone, even where there are highs and lows"
    )
    solo: bool = Field(
        False,
        description="learn each ticker a second time as if it were the only one, so that one alone "
        "can be forecast",
    )

    @property
    def warmup(self) -> int:
        """Shortest context of a forecast, in sessions: a quarter of the lookback."""
        return self.lookback // 4

    @property
    def learned_horizons(self) -> tuple[int, ...]:
        """K horizons the network is trained on, ascending; the last is `horizon`."""
        return (*(h for h in LEARNED_HORIZONS if h < self.horizon), self.horizon)

    @property
    def scored_horizons(self) -> tuple[int, ...]:
        """Horizons that are scored: 1, 5 and 20 sessions as far as they are forecast."""
        return tuple(h for h in SCORED_HORIZONS if h <= self.horizon) or (self.horizon,)

    @model_validator(mode="after")
    def _check_splits(self) -> Self:
        early, late = self.validation_start, self.test_start
        if early and late and early >= late:
            raise ValueError(f"--validation-start {early} is not before --test-start {late}")
        return self


class NetworkSettings(Choices):
    """The network: which recurrent layer, how wide."""

    cell: tuple[Cell, ...] = Field(
        ("lstm", "keras-lstm"), min_length=1, description="recurrent layer; several are compared"
    )
    units: Annotated[int | None, Search(4, 64, log=True)] = Field(
        None,
        ge=1,
        le=4096,
        description="units of the recurrent layer (default: 8, or 32 from 50,000 training "
        "sessions over all tickers on)",
    )
    dropout: Annotated[float, Search(0.0, 0.5)] = Field(
        0.2, ge=0, lt=1, description="dropout after the recurrent layer"
    )
    forget_bias: Annotated[
        Annotated[float, Field(ge=-20, le=20)] | Literal["chrono"],
        Search(choices=(0.0, 1.0, 2.0, "chrono")),
    ] = Field(
        1.0,
        description="bias the LSTMs' forget gates start with, 1 keeps for 3.7 sessions; chrono: "
        "memories from one session to the lookback",
    )


class TrainingSettings(Choices):
    """How the network is trained."""

    epochs: int = Field(30, ge=1, description="most epochs; stops early by validation CRPS")
    steps_per_epoch: int = Field(20, ge=1, description="batches drawn per epoch")
    batch_size: Annotated[int, Search(choices=(32, 64, 128))] = Field(
        64, ge=1, description="windows per batch"
    )
    lr: Annotated[
        Annotated[float, Field(gt=0, le=1)] | Literal["auto"], Search(1e-4, 1e-2, log=True)
    ] = Field(
        1e-3, description="learning rate of Adam; auto: found by a range test before training"
    )
    clip_norm: Annotated[float, Search(0.02, 1.0, log=True)] = Field(
        0.1, gt=0, description="gradients are clipped to this global norm"
    )
    patience: int = Field(6, ge=1, description="epochs without a better validation CRPS until stop")
    from_pretrained: bool = Field(
        False, description="start from the network that comes with the project and fine-tune it"
    )
    seeds: int = Field(1, ge=1, le=100, description="networks trained per cell, one per seed")
    seed: int = Field(0, ge=0, lt=2**31, description="first seed")
    tuned_trials: int = Field(
        0, ge=0, description="trials of forecast tune among which these settings were chosen"
    )
    telemetry: Telemetry = Field(
        "standard", description="how much is measured of gradients and gates while training"
    )
    telemetry_every: int | None = Field(
        None, ge=1, description="steps between two measurements (default: 50, 20 or 1 by preset)"
    )


class OutputSettings(Choices):
    """Where results go and how much is said."""

    runs_dir: Path = Field(Path("runs"), description="folder of the run folders")
    name: str | None = Field(
        None,
        description="name of the run folder (default: date, time and source)",
    )
    tensorboard: bool = Field(False, description="also write TensorBoard logs")
    no_report: bool = Field(False, description="write no report.html")
    quiet: bool = Field(False, description="print the result only")

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str | None) -> str | None:
        return None if name is None else check_run_name(name)


class Settings(OutputSettings, TrainingSettings, NetworkSettings, WindowSettings, PriceSettings):
    """All settings of a training run; one flat name space for flags and YAML."""

    @model_validator(mode="after")
    def _check_cells(self) -> Self:
        if len(set(self.cell)) < len(self.cell):
            raise ValueError(f"--cell names a layer twice: {', '.join(self.cell)}")
        return self
