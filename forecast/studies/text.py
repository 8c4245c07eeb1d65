"""A character model: what it writes as it learns, and what its forget gate does at a full stop."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Share of false discoveries among the units that are called different (Benjamini–Hochberg).
FALSE_DISCOVERIES = 0.05


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One unit per seed."""
    return [{"seed": seed, **sizes} for seed in seeds]


def measure(unit: Unit) -> pd.DataFrame:
    """Learn the text but its end; return loss, samples and gates (see `characters`)."""
    from forecast.studies import characters

    return characters.measure(unit)


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Full stops against all other characters: on average over seeds, by unit, in the pairs."""
    return {"learning": _learning(frame), "stop": _stop(frame), "pair": _pair(frame)}


def _learning(frame: pd.DataFrame) -> Finding:
    bits = frame[frame["quantity"] == "bits"].groupby("step")["value"].mean()
    counting = frame[frame["quantity"] == "bits_of_counting"].groupby("place")["value"].mean()
    beaten = counting.index[counting > bits.iloc[-1]]
    compared = ", ".join(f"{value:.2f} after {k:.0f}" for k, value in counting.items())
    return Finding(
        f"{bits.iloc[0]:.2f} bits per held-out character before training, {bits.iloc[-1]:.2f} "
        f"after {bits.index[-1]} steps; counting what follows has {compared} characters",
        verdict(len(beaten) == len(counting), len(beaten) > 1),
    )


def _stop(frame: pd.DataFrame) -> Finding:
    from scipy.stats import ttest_1samp

    from forecast.studies.corpus import OTHERS, STOP

    _, after = _steps(frame)
    by_seed = _mean_forget(frame, after)
    fall = by_seed[STOP] - by_seed[OTHERS]
    p = float(ttest_1samp(fall, 0).pvalue) if len(fall) > 1 else float("nan")
    kept = _mean(frame, "kept", after)
    singles = by_seed.mean()[[name for name in map(str, by_seed) if _is_single(name)]].sort_values()
    rank = list(singles.index).index(STOP) + 1
    shares = {step: _share_of_units(frame, step) for step in _steps(frame)}
    (lower_0, higher_0), (lower, higher) = shares.values()
    lower_in_all = bool((fall < 0).all()) and len(fall) > 1 and p < 0.05
    return Finding(
        f"mean f {by_seed[STOP].mean():.3f} at a full stop, {by_seed[OTHERS].mean():.3f} "
        f"elsewhere: lower in {(fall < 0).sum()} of {len(fall)} seeds (p = {p:.2g}), "
        f"{_ordinal(rank)} lowest of {len(singles)} common characters, lowest at "
        f"{singles.index[0]}; of ‖c‖ {kept[STOP]:.0%} is kept, {kept[OTHERS]:.0%} elsewhere; by "
        f"unit: {lower:.0%} lower, {higher:.0%} higher (before training {lower_0:.0%} and "
        f"{higher_0:.0%})",
        verdict(lower_in_all, lower_in_all and lower > 0.5),
    )


def _pair(frame: pd.DataFrame) -> Finding:
    told = frame[frame["quantity"] == "pair"]
    at_stop = pd.Series(
        [text[int(k)] == "." for text, k in zip(told["text"], told["place"], strict=True)],
        index=told.index,
    )
    inside = at_stop & (told["place"] < told["text"].str.len() - 1)
    keys = [told["text"], told["seed"]]
    fall = told["value"][inside].groupby(keys).mean() - told["value"][~at_stop].groupby(keys).mean()
    first = fall[told["text"].iloc[0]]
    share = (fall < 0).mean()
    return Finding(
        f"mean f at the first full stop minus elsewhere in the pair: {first.mean():+.3f} for the "
        f"one told, below 0 in {(first < 0).sum()} of {len(first)} seeds; "
        f"{fall.mean():+.3f} over all pairs, below 0 in {share:.0%}",
        verdict(bool(share == 1), bool(share > 0.75)),
    )


def _steps(frame: pd.DataFrame) -> tuple[int, int]:
    """The steps at which gates were looked at: before and after training."""
    steps = frame.loc[frame["quantity"] == "forget", "step"]
    return int(steps.min()), int(steps.max())


def _mean_forget(frame: pd.DataFrame, step: int) -> pd.DataFrame:
    """Mean forget gate over units: a row per seed, a column per thing that is read."""
    rows = frame[(frame["quantity"] == "forget") & (frame["step"] == step)]
    return rows.pivot_table(index="seed", columns="group", values="value")


def _mean(frame: pd.DataFrame, quantity: str, step: int) -> pd.Series:
    rows = frame[(frame["quantity"] == quantity) & (frame["step"] == step)]
    return rows.groupby("group")["value"].mean()


def _is_single(name: str) -> bool:
    """Whether a group is one character, and not a place after one."""
    from forecast.studies.corpus import BLANK_AFTER, LETTER_AFTER, OTHERS

    return name not in (BLANK_AFTER, LETTER_AFTER, OTHERS)


def _share_of_units(frame: pd.DataFrame, step: int) -> tuple[float, float]:
    """Shares of units whose forget gate is lower, and higher, at a full stop than elsewhere."""
    from scipy.stats import false_discovery_control

    from forecast.studies.corpus import OTHERS, STOP

    rows = frame[frame["step"] == step]
    forget = rows[rows["quantity"] == "forget"]
    by_unit = forget.pivot_table(index=["seed", "place"], columns="group", values="value")
    p = rows[rows["quantity"] == "p_value"].set_index(["seed", "place"])["value"]
    found = p.groupby("seed").transform(false_discovery_control) < FALSE_DISCOVERIES
    fall = (by_unit[STOP] - by_unit[OTHERS])[found]
    return (fall < 0).sum() / len(p), (fall > 0).sum() / len(p)


def _ordinal(k: int) -> str:
    return {1: "the", 2: "2nd", 3: "3rd"}.get(k, f"{k}th")


def draw(frame: pd.DataFrame) -> "Figure":
    """The forget gates under a pair of sentences, by what is read, the loss and what is written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 9.2), layout="constrained")
    rows: Any = figure.subfigures(3, 1, height_ratios=[3.6, 3.6, 1.7])
    _draw_pair(rows[0].subplots(), frame)
    left, right = rows[1].subplots(1, 2, width_ratios=[1.25, 1])
    _draw_groups(left, frame)
    _draw_bits(right, frame)
    _draw_samples(rows[2].subplots(), frame)
    return figure


def _draw_pair(ax: "Axes", frame: pd.DataFrame) -> None:
    """Every unit a row, from the one that falls most at the full stop."""
    from forecast.plots.style import caption

    told = frame[(frame["quantity"] == "pair") & (frame["seed"] == frame["seed"].min())]
    text = told["text"].iloc[0]
    values = told[told["text"] == text].pivot_table("value", "group", "place")
    stop = text.index(".")
    values = values.loc[(values[stop] - values.mean(axis=1)).sort_values().index]
    image = ax.imshow(values, aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="none")
    ax.set_xticks(range(len(text)), list(text), fontfamily="monospace", fontsize=9)
    ax.tick_params(length=0)
    ax.set_yticks([])
    for edge in (stop - 0.5, stop + 0.5):
        ax.axvline(edge, color="white", linewidth=0.8)
    caption(
        ax, "Forget gate under each character (one seed)", "", f"{len(values)} units, by f at ."
    )
    ax.figure.colorbar(image, ax=ax, label="f: 0 forgets, 1 keeps", pad=0.01)


def _draw_groups(ax: "Axes", frame: pd.DataFrame) -> None:
    from forecast.plots.style import OBSERVED, REFERENCE, caption, color_of, new_axes
    from forecast.studies.corpus import BLANK_AFTER, LETTER_AFTER, OTHERS, STOP

    new_axes(ax)
    by_seed = _mean_forget(frame, _steps(frame)[1])
    order = by_seed.mean().sort_values().index
    special = (STOP, BLANK_AFTER, LETTER_AFTER)
    for place, name in enumerate(order):
        color = color_of("keras-lstm") if name in special else color_of("lstm")
        color = OBSERVED if name == OTHERS else color
        ax.plot(by_seed[name], [place] * len(by_seed), "o", color=color, markersize=3, alpha=0.7)
        ax.plot(by_seed[name].mean(), place, "|", color=color, markersize=11, markeredgewidth=2)
    ax.axvline(by_seed[OTHERS].mean(), color=REFERENCE, linestyle=(0, (1, 1)))
    ax.set_yticks(range(len(order)), list(order), fontsize=6.5)
    ax.invert_yaxis()
    caption(ax, "Mean f while each is read; a dot per seed", "f, mean over units", "")


def _draw_bits(ax: "Axes", frame: pd.DataFrame) -> None:
    from forecast.plots.style import REFERENCE, caption, look_of, new_axes

    new_axes(ax)
    for _, rows in frame[frame["quantity"] == "bits"].groupby("seed"):
        ax.plot(rows["step"], rows["value"], linewidth=1.2, markersize=3, **look_of("lstm"))
    counting = frame[frame["quantity"] == "bits_of_counting"].groupby("place")["value"].mean()
    for order, value in counting.items():
        ax.axhline(value, color=REFERENCE, linestyle=(0, (1, 1)), linewidth=1)
        said = f"counting after {order:.0f}"
        ax.annotate(
            said,
            (1, value),
            (0, 2),
            ("axes fraction", "data"),
            "offset points",
            ha="right",
            fontsize=7,
        )
    caption(ax, "Held-out text, a line per seed", "training step", "bits per character")


def _draw_samples(ax: "Axes", frame: pd.DataFrame) -> None:
    ax.set_axis_off()
    ax.set_title("What it writes on, after so many steps (one seed)", loc="left", fontsize=10.5)
    samples = frame[(frame["quantity"] == "sample") & (frame["seed"] == frame["seed"].min())]
    lines = []
    for step, text in zip(samples["step"], samples["text"], strict=True):
        flat = " ".join(text.split())
        lines.append(f"{step:>5}  {flat[:95]}\n       {flat[95:190]}")
    ax.text(0, 1, "\n".join(lines), family="monospace", fontsize=7.5, va="top", parse_math=False)


FULL: dict[str, Any] = {
    "length": 100,
    "units": 64,
    "lr": 0.005,
    "batch_size": 32,
    "looks": [0, 30, 100, 300, 1000],
    "sample": 160,
    "temperature": 0.6,
}

STUDY = Study(
    name="text",
    shows="What forget gates do at the end of a sentence, and how a small model learns to write",
    task="Next character of 24 kB of plain English written for this project; its last 15 % are "
    "held out and read by the gates. A unit counts as different when a test that moves the places "
    "of the full stops along the text says so",
    claims={
        "stop": Claim(
            "The forget gate opens at a full stop: f is lower there than elsewhere",
            "told as an illustration, without a number",
            "introductions to the LSTM",
        ),
        "pair": Claim(
            "After “Ram is hardworking.” the subject is forgotten: the next sentence has another",
            "told as an illustration, without a number",
            "introductions to the LSTM",
        ),
        "learning": Claim(
            "A character model with an LSTM predicts text better than counting does",
            "LSTM ahead of counting up to 20 characters, on about 100 times the text",
            "Karpathy, Johnson & Fei-Fei 2015",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full=FULL,
    quick={"units": 32, "looks": [0, 30, 100, 300], "sample": 100},
    seeds=5,
)
