"""The settings of the other commands: how they forecast, walk, tune, study, and where."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from forecast.settings import Choices, PriceSettings, Source

Runtime = Literal["auto", "tensorflow", "onnx"]

#: Name of the ledger in a folder of runs.
LEDGER = "ledger.sqlite"
#: Baselines by name, in the order of `forecast.models.baselines`.
Baseline = Literal[
    "history-250", "history-1000", "drift", "ewma-t", "garch-t", "gjr", "har", "gbm-quantiles"
]


class PretrainedPrices(PriceSettings):
    """Which prices the pretrained network forecasts."""

    source: Source = Field("yahoo", description="where the prices come from, with --pretrained")
    tickers: tuple[str, ...] = Field(
        (), description="tickers to forecast (default: those trained on; with --pretrained all)"
    )


class ForecastSettings(PretrainedPrices):
    """What forecasts: the networks of a run from its own source, or the pretrained one from any."""

    pretrained: bool = Field(
        False, description="forecast with the network that comes with the project instead of a run"
    )
    runtime: Runtime = Field(
        "auto",
        description="what runs the networks; auto: ONNX Runtime where it is installed and forecast "
        "export has been run, some seconds faster, else TensorFlow",
    )
    runs_dir: Path = Field(Path("runs"), description="folder of the run folders")

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        given = sorted(self.model_fields_set & set(PriceSettings.model_fields) - {"tickers"})
        if given and not self.pretrained:
            raise ValueError(
                f"--{given[0].replace('_', '-')} goes with --pretrained: a run forecasts from the "
                "prices it was trained on"
            )
        return self


class PredictSettings(ForecastSettings):
    """What is forecast now, and what is written of it."""

    out: Path | None = Field(None, description="folder for the files (default: in the run folder)")
    fans: Annotated[int, Field(ge=0)] | Literal["all"] = Field(
        4,
        description="tickers that get a fan chart, a quarter of a second each; all, or 0 for none",
    )


class DailySettings(ForecastSettings):
    """What is forecast every evening, by what, and where it is kept."""

    run: Path | None = Field(
        None, description="run whose networks forecast, from its source (default: the newest run)"
    )
    baselines: tuple[Baseline, ...] = Field(
        ("ewma-t", "history-1000"),
        min_length=1,
        description="baselines recorded beside every forecast",
    )
    ledger: Path | None = Field(
        None, description="file of the forecasts (default: ledger.sqlite in the folder of the runs)"
    )
    allow_shorter: bool = Field(
        False, description="accept once that histories are shorter than they were"
    )
    quiet: bool = Field(False, description="print the result only")

    @model_validator(mode="after")
    def _check_run(self) -> Self:
        if self.pretrained and self.run:
            raise ValueError(f"choose one: the run {self.run}, or --pretrained")
        return self


class BacktestSettings(Choices):
    """How a backtest walks forward."""

    refit_every: int = Field(
        0, ge=0, description="sessions between two trainings (0: the networks of the run, once)"
    )
    step: int = Field(1, ge=1, description="sessions between two cutoffs")
    embargo: int = Field(0, ge=0, description="sessions left out before the first cutoff")
    window: Literal["expanding", "rolling"] = Field(
        "expanding", description="train on all the past, or on as much as the first fold has"
    )


class EngineSettings(Choices):
    """Where units of work run: networks, folds, measurements, trials."""

    engine: Literal["local", "ray"] = Field(
        "local", description="where networks are trained: on this machine, or on a Ray cluster"
    )
    address: str | None = Field(
        None, description="a Ray cluster: host:6379, or auto (default: a Ray of its own, here)"
    )
    processes: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="networks or folds side by side, a core each, with the same results to the "
        "last bit (default: one after the other with all cores here; on Ray: its cores)",
    )

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        if self.address and self.engine != "ray":
            raise ValueError(f"--address goes with --engine ray, not with --engine {self.engine}")
        return self


class TuneSettings(EngineSettings):
    """How settings are looked for."""

    processes: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="trials side by side, a core each; how many there are changes which are tried "
        "(default: one after the other with all cores here; on Ray: its cores)",
    )
    trials: int = Field(20, ge=1, description="trials of this call")
    study: str = Field(
        "tuning",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="name of the study; one that is there goes on",
    )
    storage: str | None = Field(
        None, description="URL of a database (default: tune.sqlite in the folder of the runs)"
    )
    search: tuple[str, ...] = Field(
        (), description="settings to look for (default: every one that has a range)"
    )


class StudySettings(EngineSettings):
    """How a study is run."""

    quick: bool = Field(False, description="small sizes: seconds instead of minutes")
    seeds: int | None = Field(
        None, ge=1, le=100, description="seeds of each variant (default: the study's own, 3 or so)"
    )
    out: Path | None = Field(
        None, description="folder of the results (default: studies in the folder of the runs)"
    )
    processes: int | None = Field(
        None, ge=1, le=4096, description="measurements side by side, a core each (default: cores)"
    )
    page: Path | None = Field(
        None, description="also write this Markdown page, with figures in a folder of its name"
    )
