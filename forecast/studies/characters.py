"""A character model, and what its forget gate does while it reads: measured for study `text`."""

from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.special import log_softmax, softmax

from forecast.studies.corpus import (
    BLANK_AFTER,
    LETTER_AFTER,
    MIN_READ,
    ORDERS,
    OTHERS,
    PAIRS,
    STOP,
    Corpus,
    story,
)
from forecast.studies.learning import recurrent
from forecast.studies.study import Unit


def measure(unit: Unit) -> pd.DataFrame:
    """Learn the text but its end; return loss, samples and gates, long.

    Columns: ``quantity, step, place, group, text, value``. `place` is a unit of the layer, or the
    place of a character in a sentence.
    """
    keras.utils.set_random_seed(unit["seed"])
    corpus = Corpus(story(), unit["length"])
    layer, model = _network(corpus, unit)
    rng = np.random.default_rng(unit["seed"])
    last = max(unit["looks"])
    rows = [_row("bits_of_counting", place=k, value=corpus.bits(k)) for k in ORDERS]
    for step in range(last + 1):
        if step in unit["looks"]:
            rows += _look(corpus, model, step, unit)
        if step in (0, last):
            rows += _gates(corpus, layer, step)
        if step < last:
            model.train_on_batch(*corpus.draw(rng, unit["batch_size"]))
    return pd.DataFrame(rows + _pairs(corpus, layer, last))


def _network(corpus: Corpus, unit: Unit) -> tuple[Any, keras.Model]:
    layer = recurrent("lstm", unit["units"], unit["seed"], return_sequences=True)
    x = keras.Input((corpus.length, len(corpus.alphabet)))
    model = keras.Model(x, keras.layers.Dense(len(corpus.alphabet))(layer(x)))
    model.compile(
        keras.optimizers.Adam(unit["lr"], global_clipnorm=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    return layer, model


def _row(quantity: str, step: int = 0, **values: Any) -> dict[str, Any]:
    empty = {"place": None, "group": "", "text": "", "value": None}
    return {"quantity": quantity, "step": step, **empty, **values}


def _look(corpus: Corpus, model: keras.Model, step: int, unit: Unit) -> list[dict[str, Any]]:
    """Bits per held-out character, and what the network writes on after the first window."""
    half = corpus.length // 2
    read = corpus.windows
    told = log_softmax(model.predict_on_batch(corpus.one_hot(read[:, :-1])), axis=-1)
    of_next = np.take_along_axis(told, read[:, 1:, None], 2)[:, half:]
    rng = np.random.default_rng([unit["seed"], step])
    written = list(read[0, : corpus.length])
    for _ in range(unit["sample"]):
        x = corpus.one_hot(np.array([written[-corpus.length :]]))
        p = softmax(model.predict_on_batch(x)[0, -1].astype(float) / unit["temperature"])
        written.append(rng.choice(len(p), p=p))
    return [
        _row("bits", step, value=-float(of_next.mean()) / np.log(2)),
        _row("sample", step, text=corpus.text(np.array(written[corpus.length :]))),
    ]


def _gates(corpus: Corpus, layer: Any, step: int) -> list[dict[str, Any]]:
    """Forget gate of every unit by what is read, the share of memory kept, a test of full stops."""
    read = corpus.windows[:, :-1]
    f, kept = _read(corpus, layer, read)
    f, kept = f.reshape(-1, f.shape[-1]), kept.ravel()  # (L, U), (L,) in the order of the text
    signs = np.array(list(corpus.text(read[:, corpus.length // 2 :].ravel())))
    rows = []
    for group, at in _groups(signs).items():
        rows.append(_row("kept", step, group=group, value=kept[at].mean()))
        rows += [
            _row("forget", step, place=unit, group=group, value=value)
            for unit, value in enumerate(f[at].mean(0))
        ]
    p = shift_test(f, signs == ".")
    return rows + [_row("p_value", step, place=unit, value=value) for unit, value in enumerate(p)]


def _read(corpus: Corpus, layer: Any, read: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Forget gates (K, T/2, U) and ‖f ⊙ c₋₁‖/‖c₋₁‖ (K, T/2) in the second halves of windows."""
    half = corpus.length // 2
    gates = layer(corpus.one_hot(read), return_gates=True)[-1]
    f, c = np.asarray(gates["f"])[:, half:], np.asarray(gates["c"])
    c_tm1 = c[:, half - 1 : -1]
    return f, np.linalg.norm(f * c_tm1, axis=-1) / np.linalg.norm(c_tm1, axis=-1)


def _groups(signs: np.ndarray) -> dict[str, np.ndarray]:
    """Where (L,) each common character is read, all but a full stop, and what follows one."""
    before = np.concatenate([["\n"], signs[:-1]])
    before_that = np.concatenate([["\n"], before[:-1]])
    names = {" ": "blank", ".": STOP, ",": "comma", '"': "quote"}
    common = [sign for sign in sorted(set(signs.tolist())) if (signs == sign).sum() >= MIN_READ]
    return {names.get(sign, sign): signs == sign for sign in common} | {
        STOP: signs == ".",
        OTHERS: signs != ".",
        BLANK_AFTER: (signs == " ") & (before == "."),
        LETTER_AFTER: (before == " ") & (before_that == "."),
    }


def shift_test(f: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return for each of U series f (L, U) how likely so large a mean at the places `at` (L,) is.

    Two-sided p-values of a permutation test: the places are moved along the text, all by the
    same distance, in every possible way, which keeps the order in both (Efron & Tibshirani 1993).
    """
    places = np.flatnonzero(at)
    shifted = (places + np.arange(len(f))[:, None]) % len(f)  # (L, P)
    means = np.stack([f[row].mean(0) for row in shifted]) - f.mean(0)  # (L, U), true one first
    return (np.abs(means) >= np.abs(means[0])).mean(0)


def _pairs(corpus: Corpus, layer: Any, step: int) -> list[dict[str, Any]]:
    """Forget gates under the characters of each pair of sentences, read after the held-out text."""
    rows = []
    for pair in PAIRS:
        read = np.concatenate([corpus.held_out, corpus.numbers("\n" + pair)])[-corpus.length :]
        forget = _read(corpus, layer, read[None])[0][0, -len(pair) :]  # (characters, U)
        rows += [
            _row("pair", step, place=place, group=str(unit), text=pair, value=value)
            for place, values in enumerate(forget)
            for unit, value in enumerate(values)
        ]
    return rows
