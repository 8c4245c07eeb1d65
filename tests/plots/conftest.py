"""Small synthetic frames of the shapes that the other rooms hand over."""

import numpy as np
import pandas as pd
import pytest

CELLS = ("lstm", "keras-lstm", "gru", "simple-rnn")
DECAY = {"lstm": 0.95, "keras-lstm": 0.95, "gru": 0.9, "simple-rnn": 0.6}


@pytest.fixture
def history() -> pd.DataFrame:
    log_price = np.cumsum(np.random.default_rng(0).normal(0, 0.012, 300))
    return pd.DataFrame(
        {"ds": pd.bdate_range("2011-01-03", periods=300), "y": 50 * np.exp(log_price)}
    )


@pytest.fixture
def make_forecast(history):
    """Return a forecast frame of one ticker at the given places in the history."""

    def make(places, model="lstm", unique_id="AAPL", horizons=range(1, 21), known=True):
        rows = []
        for place in places:
            price = history["y"][place]
            for h in horizons:
                row = {
                    "unique_id": unique_id,
                    "cutoff": history["ds"][place],
                    "ds": history["ds"][place] + pd.offsets.BDay(h),
                    "h": h,
                    "y": history["y"][place + h] if known else np.nan,
                    model: price * 1.002**h,
                }
                for width, z in ((50, 0.67), (80, 1.28), (90, 1.64), (98, 2.33)):
                    row[f"{model}-lo-{width}"] = price * np.exp(-z * 0.012 * np.sqrt(h))
                    row[f"{model}-hi-{width}"] = price * np.exp(z * 0.012 * np.sqrt(h))
                rows.append(row)
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def make_losses():
    def make(models=CELLS, seeds=1):
        epoch = np.arange(1, 11)
        return pd.concat(
            pd.DataFrame(
                {
                    "model": model,
                    "seed": seed,
                    "epoch": epoch,
                    "loss": 0.5 + 0.1 / epoch + 0.001 * k,
                    "val_loss": 0.55 + 0.0005 * (epoch - 6 - seed) ** 2 + 0.002 * k,
                }
            )
            for k, model in enumerate(models)
            for seed in range(seeds)
        )

    return make


@pytest.fixture
def make_telemetry():
    def make(models=CELLS):
        step, lag = np.arange(60), np.arange(80)
        frames = []
        for k, model in enumerate(models):
            norm = np.exp(0.4 * np.random.default_rng(k).normal(size=60))
            common = {"model": model, "step": step, "epoch": step // 20}
            frames.append(common | {"layer": "", "quantity": "global_norm", "value": norm})
            for layer in (f"{model}/kernel", f"{model}/bias", "quantiles/kernel"):
                frames.append(common | {"layer": layer, "quantity": "norm", "value": norm / 2})
            share = {"step": [19, 39], "epoch": [0, 1], "value": [0.1, 0.3]}
            frames.append({"model": model, "layer": "", "quantity": "clipped_share"} | share)
            for epoch, rho in ((0, 0.5), (1, 0.99), (2, DECAY.get(model, 0.8))):
                frames.append(
                    {
                        "model": model,
                        "step": epoch * 20,
                        "epoch": epoch,
                        "layer": model,
                        "quantity": "state_gradient_norm",
                        "lag_sessions": lag,
                        "value": 3e-4 * rho**lag,
                    }
                )
                fit = {"layer": model, "quantity": "gradient_decay", "value": [rho]}
                frames.append({"model": model, "step": epoch * 20, "epoch": epoch} | fit)
                far = {"layer": model, "quantity": "memory_sessions", "value": [-1 / np.log(rho)]}
                frames.append({"model": model, "step": epoch * 20, "epoch": epoch} | far)
        return pd.concat([pd.DataFrame(frame) for frame in frames], ignore_index=True)

    return make


@pytest.fixture
def make_calibration():
    def make(models=("lstm", "ewma-t"), horizons=(1, 5, 20)):
        level = np.round(np.arange(1, 100) / 100, 2)
        return pd.concat(
            pd.DataFrame(
                {"model": model, "h": h, "level": level, "observed": level ** (1 + 0.1 * k)}
            )
            for k, model in enumerate(models)
            for h in horizons
        )

    return make


@pytest.fixture
def make_skill():
    def make(models=CELLS, baselines=("history-250", "ewma-t"), horizons=(1, 5, 20)):
        verdicts = ("better", "not distinguishable", "worse")
        rows = [
            (model, baseline, h, 0.01 * (1 - k) + 0.001 * j, 0.04, verdicts[k % 3])
            for j, model in enumerate(models)
            for baseline in baselines
            for k, h in enumerate(horizons)
        ]
        columns = ["model", "baseline", "h", "crps_skill", "p_value", "verdict"]
        return pd.DataFrame(rows, columns=columns)

    return make
