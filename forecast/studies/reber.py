"""Reber's grammar: strings one at a time, and a stream of them without an end."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from forecast.studies.cells import look
from forecast.studies.study import Claim, Finding, Sizes, Study, Unit, verdict

if TYPE_CHECKING:
    import keras
    import numpy as np
    from matplotlib.figure import Figure

#: The LSTM of 1997 had no forget gate.
LSTM_1997 = "no_forget_gate"


def plan(sizes: Sizes, seeds: range) -> list[Unit]:
    """One unit per task, cell and seed."""
    cells = {"strings": ("simple-rnn", LSTM_1997, "lstm"), "stream": (LSTM_1997, "lstm")}
    return [
        {"task": task, "cell": cell, "seed": seed, "units": sizes["units"], **sizes[task]}
        for task in cells
        for cell in cells[task]
        for seed in seeds
    ]


def measure(unit: Unit) -> pd.DataFrame:
    """Share of right predictions, by symbols read since the state was last set to zero."""
    import keras

    keras.utils.set_random_seed(unit["seed"])
    return _strings(unit) if unit["task"] == "strings" else _stream(unit)


def _strings(unit: Unit) -> pd.DataFrame:
    """Train and test on strings that all begin with a state of zero."""
    import keras
    import numpy as np

    from forecast.studies import grammar
    from forecast.studies.learning import Setup, learn, network, recurrent
    from forecast.studies.tasks import Batch

    def draw(rng: "np.random.Generator", count: int) -> Batch:
        symbols = grammar.strings(rng, count, unit["longest"]).symbols
        return Batch(grammar.one_hot(symbols[:, :-1]), symbols[:, 1:])

    layer = recurrent(unit["cell"], unit["units"], unit["seed"], return_sequences=True)
    head = keras.layers.Dense(len(grammar.SYMBOLS))
    model = network(layer, head, draw(np.random.default_rng(0), 2))
    setup = Setup(batch_size=unit["batch_size"], most_steps=unit["training_steps"], lr=unit["lr"])
    learned = learn(model, draw, setup, _cross_entropy(), unit["seed"])
    test = grammar.strings(np.random.default_rng([unit["seed"], 2]), setup.checked, unit["longest"])
    scores = model.predict_on_batch(grammar.one_hot(test.symbols[:, :-1]))
    right = grammar.only_legal(scores, test.legal[:, 1:])
    outer = test.outer[:, 1:]
    whole = (right | (test.symbols[:, 1:] < 0)).all(1)
    return pd.DataFrame(
        {
            "training_symbols": [learned.steps * unit["batch_size"] * unit["longest"]],
            "outer_right": [right[outer].mean()],
            "strings_right": [whole.mean()],
        }
    )


def _stream(unit: Unit) -> pd.DataFrame:
    """Train on streams whose state is never set to zero, then read fresh ones for long."""
    import keras
    import numpy as np

    from forecast.studies import grammar
    from forecast.studies.learning import recurrent

    chunk, count = unit["chunk"], unit["batch_size"]
    options = {"return_sequences": True, "stateful": True}
    layer = recurrent(unit["cell"], unit["units"], unit["seed"], **options)
    x = keras.Input((chunk, len(grammar.SYMBOLS)), batch_size=count)
    model = keras.Model(x, keras.layers.Dense(len(grammar.SYMBOLS))(layer(x)))
    optimizer = keras.optimizers.Adam(unit["lr"], global_clipnorm=1.0)
    model.compile(optimizer, _cross_entropy(), jit_compile=unit["cell"] == LSTM_1997)
    streams = grammar.Streams(np.random.default_rng([unit["seed"], 0]), count)
    last = streams.take(1).symbols
    for _ in range(unit["training_steps"]):
        read = np.concatenate([last, streams.take(chunk).symbols], 1)  # (N, chunk + 1)
        model.train_on_batch(grammar.one_hot(read[:, :-1]), read[:, 1:])
        last = read[:, -1:]
    return _read_on(model, layer, unit)


def _read_on(model: "keras.Model", layer: Any, unit: Unit) -> pd.DataFrame:
    """Let a trained network read streams from a state of zero on; look at it after each chunk."""
    import numpy as np

    from forecast.studies import grammar

    layer.reset_state()
    streams = grammar.Streams(np.random.default_rng([unit["seed"], 1]), unit["batch_size"])
    last = streams.take(1).symbols
    rows = []
    for step in range(unit["test_symbols"] // unit["chunk"]):
        ahead = streams.take(unit["chunk"])
        read = np.concatenate([last, ahead.symbols], 1)
        scores = model.predict_on_batch(grammar.one_hot(read[:, :-1]))
        right = grammar.only_legal(scores, ahead.legal)
        c = np.asarray(layer.states[1])  # (N, U)
        row = {
            "symbols": (step + 1) * unit["chunk"],
            "cell_norm": np.linalg.norm(c, axis=1).mean(),
            "outer_right": right[ahead.outer].mean(),
            "inner_right": right[~ahead.outer].mean(),
        }
        rows.append(row)
        last = read[:, -1:]
    return pd.DataFrame(rows)


def _cross_entropy() -> "keras.losses.Loss":
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)


def judge(frame: pd.DataFrame) -> dict[str, Finding]:
    """Strings by their share predicted right throughout; streams by how they end."""
    strings = frame[frame["task"] == "strings"].groupby("cell")["strings_right"].agg(["min", "max"])
    stream = frame[frame["task"] == "stream"]
    late = stream[stream["symbols"] > stream["symbols"].max() / 2]
    by_seed = late.groupby(["cell", "seed"])
    norm, outer = by_seed["cell_norm"].mean(), by_seed["outer_right"].mean()
    early = stream[stream["symbols"] <= stream["symbols"].max() / 10]
    growth = norm / early.groupby(["cell", "seed"])["cell_norm"].mean()
    learned = {cell: strings["min"][cell] >= 0.99 for cell in strings.index}
    rnn_fails = strings["max"]["simple-rnn"] < 0.99
    bounded = bool(growth["lstm"].max() < 1.5), bool(growth[LSTM_1997].min() > 2)
    outer_told = bool(outer["lstm"].min() >= 0.99), bool(outer[LSTM_1997].max() < 0.75)
    return {
        "strings": Finding(
            f"strings predicted right: LSTM {strings['min']['lstm']:.1%} or more, without forget "
            f"gate {strings['min'][LSTM_1997]:.1%} or more, simple RNN "
            f"{strings['min']['simple-rnn']:.1%} to {strings['max']['simple-rnn']:.1%}",
            verdict(learned["lstm"] and learned[LSTM_1997], rnn_fails),
        ),
        "growth": Finding(
            f"‖c‖ over the second half of {stream['symbols'].max():,.0f} symbols: "
            f"{norm['lstm'].mean():.1f} with forget gate, {norm[LSTM_1997].mean():.0f} without; "
            f"{growth['lstm'].mean():.2f} and {growth[LSTM_1997].mean():.1f} times that of the "
            "first tenth",
            verdict(*bounded),
        ),
        "outer": Finding(
            f"outer symbol told: {outer['lstm'].mean():.1%} with forget gate, "
            f"{outer[LSTM_1997].min():.1%} to {outer[LSTM_1997].max():.1%} without, by seed "
            "(guessing: 50 %)",
            verdict(*outer_told),
        ),
    }


def draw(frame: pd.DataFrame) -> "Figure":
    """Norm of the cell state, and the share of outer symbols told, along an endless stream."""
    from forecast.plots.style import REFERENCE, caption, key, legend_below, new_grid

    figure, [[norm, outer]] = new_grid(1, 2, row_height=3.6)
    stream = frame[frame["task"] == "stream"]
    handles = []
    for cell, name in (("lstm", "LSTM"), (LSTM_1997, "LSTM without forget gate (1997)")):
        drawn = look(cell) | {"marker": "", "linestyle": "-"}
        for _, rows in stream[stream["cell"] == cell].groupby("seed"):
            norm.plot(rows["symbols"], rows["cell_norm"], linewidth=1.3, **drawn)
            told = rows["outer_right"].rolling(10, min_periods=1).mean()
            outer.plot(rows["symbols"], 100 * told, linewidth=1.3, **drawn)
        handles.append(key(name, linewidth=2, color=drawn["color"]))
    norm.set_yscale("log")
    outer.axhline(50, color=REFERENCE, linestyle=(0, (1, 1)))
    handles.append(key("guessing", color=REFERENCE, linestyle=(0, (1, 1))))
    outer.set_ylim(0, 103)
    said = "symbols read since c was zero"
    caption(norm, "Norm of the cell state, a line per seed", said, "‖c‖ (mean over streams)")
    caption(outer, "The symbol that must be remembered", said, "predicted right (%)")
    legend_below(figure, handles)
    return figure


STUDY = Study(
    name="reber",
    shows="What the forget gate is for: without it the cell state grows on an endless input",
    task="Next symbol in strings of the embedded Reber grammar, one at a time from a state of zero "
    "and, after that, as one stream in which the state is never set to zero",
    claims={
        "strings": Claim(
            "An LSTM learns the embedded Reber grammar where a simple network does not",
            "LSTM in about 100 % of the trials, Elman's network in none",
            "Hochreiter & Schmidhuber 1997, experiment 1",
        ),
        "growth": Claim(
            "On a stream without resets the cell states of an LSTM grow without bound; forget "
            "gates keep them bounded",
            "linear growth without, none with",
            "Gers, Schmidhuber & Cummins 2000",
        ),
        "outer": Claim(
            "On such a stream only the LSTM with forget gates predicts the symbol that must be "
            "remembered",
            "no perfect solution without forget gates, in about two trials of three with them",
            "Gers, Schmidhuber & Cummins 2000",
        ),
    },
    plan=plan,
    measure=measure,
    judge=judge,
    draw=draw,
    full={
        "units": 16,
        "strings": {"longest": 30, "batch_size": 16, "training_steps": 2000, "lr": 0.01},
        "stream": {
            "chunk": 50,
            "batch_size": 16,
            "training_steps": 2000,
            "lr": 0.01,
            "test_symbols": 10_000,
        },
    },
    quick={
        "strings": {"longest": 30, "batch_size": 16, "training_steps": 600, "lr": 0.01},
        "stream": {
            "chunk": 50,
            "batch_size": 16,
            "training_steps": 800,
            "lr": 0.01,
            "test_symbols": 4000,
        },
    },
)
