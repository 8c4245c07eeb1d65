"""The sections of the report: what each says of a run."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from forecast.errors import InputError
from forecast.report import about, forecasts, gradients, groups, inside, live, quality, risk
from forecast.report.parts import Gap, Section
from forecast.report.reading import RunFolder

Maker = Callable[[RunFolder], Iterable[Any]]


class Plan(NamedTuple):
    """A section and what fills it."""

    name: str
    title: str
    intro: str
    makers: tuple[Maker, ...]


PLANS = (
    Plan("verdict", "The verdict", "", (about.question, quality.verdict_in_words)),
    Plan(
        "forecasts",
        "Forecasts, and what then happened",
        "Choose a ticker, walk the cutoff back, and see what was forecast then.",
        (forecasts.fans,),
    ),
    Plan(
        "skill",
        "Skill",
        "CRPS is the mean error of the whole distribution, lower is better; skill is the share of "
        "a baseline's CRPS that a network saves. A verdict is a Diebold–Mariano test at 5 %, in "
        "which a market day counts once.",
        (quality.skill_pictures, quality.skill_table, quality.score_table, groups.best_models),
    ),
    Plan(
        "when",
        "When and where",
        "One mean hides good and bad times; these are the same scores, told apart.",
        (groups.by_group, groups.by_ticker, groups.direction),
    ),
    Plan(
        "calibration",
        "Calibration",
        "A forecast is calibrated when what it calls a 90 % chance happens 90 % of the time.",
        (
            quality.calibration_pictures,
            quality.coverage_table,
            risk.before_and_after,
            risk.value_at_risk,
        ),
    ),
    Plan(
        "live",
        "Live track record",
        "What this run's networks have forecast evening by evening, scored when the day had come.",
        (live.live_record,),
    ),
    Plan(
        "training",
        "Training",
        "How the networks learned, and when they were best.",
        (gradients.losses, gradients.costs),
    ),
    Plan(
        "gradients",
        "Inside the network",
        "Gradients tell what a network can learn from; gates tell what it keeps and forgets.",
        (
            gradients.alerts,
            gradients.lags,
            gradients.norms,
            gradients.layers,
            gradients.gates,
            inside.gates_and_price,
        ),
    ),
    Plan(
        "data",
        "The data",
        "What the prices were, what was repaired and what was left out.",
        (about.data_facts, about.repairs),
    ),
    Plan(
        "repeat",
        "How to repeat this run",
        "The same settings, prices and versions give the same forecasts.",
        (about.commands, about.versions, about.files),
    ),
)


def build_sections(run: RunFolder) -> list[Section]:
    """Return the sections that have parts; one that cannot be made is replaced by the reason."""
    sections = [
        Section(plan.name, plan.title, plan.intro, [p for m in plan.makers for p in _make(m, run)])
        for plan in PLANS
    ]
    return [section for section in sections if section.parts]


def _make(maker: Maker, run: RunFolder) -> list[Any]:
    try:
        return list(maker(run))
    except InputError as error:
        return [Gap(str(error))]
    except Exception as error:  # a broken file spoils its own part, never the page
        what = maker.__name__.replace("_", " ")
        return [Gap(f"The part “{what}” could not be made: {type(error).__name__}: {error}")]
