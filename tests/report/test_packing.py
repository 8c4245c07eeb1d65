from base64 import b64decode

import numpy as np
import pandas as pd
import pytest

from forecast.report import packing
from forecast.report.packing import pack_fans


def unpack(packed):
    """The forecast frame that was packed, as a page reads it."""
    U, H, Q = len(packed["tickers"]), len(packed["horizons"]), len(packed["columns"])
    read = {"days": "<i4", "cutoffs": "<i4", "targets": "<i4", "prices": "<f4", "range": "<f4"}
    read |= {"bands": "<u2"}
    of = {name: np.frombuffer(b64decode(packed[name]), kind) for name, kind in read.items()}
    C = len(of["cutoffs"])
    low, high = of["range"].astype(float).reshape(U, C, 2, 1, 1).transpose(2, 0, 1, 3, 4)
    steps = of["bands"].reshape(U, C, H, Q)
    values = np.where(steps == 65535, np.nan, low + steps * (high - low) / 65534)
    days = pd.DatetimeIndex(of["days"].astype("datetime64[D]"))
    return values, days, of["cutoffs"], of["targets"].reshape(C, H), of["prices"].reshape(U, -1)


@pytest.fixture(scope="module")
def frames(run):
    return pd.read_parquet(run / "fans.parquet"), pd.read_parquet(run / "prices.parquet")


def test_quantiles_dates_and_prices_come_back_as_they_were(frames):
    fans, prices = frames
    packed = pack_fans(fans, prices, "lstm", "ewma-t")
    values, days, cutoffs, targets, table = unpack(packed)
    for u, ticker in enumerate(packed["tickers"]):
        for c, cutoff in enumerate(days[cutoffs]):
            one = fans[(fans["unique_id"] == ticker) & (fans["cutoff"] == cutoff)]
            widest = one["lstm-hi-98"].max() - one["lstm-lo-98"].min()
            for q, column in ((0, "lstm"), (1, "lstm-lo-98"), (-1, "ewma-t-hi-90")):
                expected = one[column].to_numpy()
                assert np.allclose(values[u, c, :, q], expected, rtol=0, atol=1e-4 * widest)
            assert list(days[targets[c]]) == list(one["ds"])
            y = one["y"].to_numpy()
            assert np.allclose(table[u, targets[c]], y, rtol=1e-6, equal_nan=True)


def test_what_was_not_forecast_stays_empty(frames):
    fans, prices = frames
    ticker, cutoff = fans["unique_id"].iloc[0], fans["cutoff"].iloc[0]
    gone = (fans["unique_id"] == ticker) & (fans["cutoff"] == cutoff)
    values, *_ = unpack(pack_fans(fans[~gone], prices, "lstm"))
    assert np.isnan(values[0, 0]).all()
    assert np.isfinite(values[1, 0]).all()


def test_more_than_a_page_can_hold_is_thinned_to_its_ends(frames, monkeypatch):
    fans, prices = frames
    monkeypatch.setattr(packing, "MOST_ROWS", 7 * 2 * 5)
    values, days, cutoffs, *_ = unpack(pack_fans(fans, prices, "lstm"))
    assert values.shape[:3] == (2, 7, 5)
    assert days[cutoffs[0]] == fans["cutoff"].min()
    assert days[cutoffs[-1]] == fans["cutoff"].max()


def test_more_tickers_than_fit_are_left_out(frames, monkeypatch):
    fans, prices = frames
    monkeypatch.setattr(packing, "MOST_TICKERS", 1)
    assert pack_fans(fans, prices, "lstm")["tickers"] == [min(fans["unique_id"])]


def test_a_price_that_never_moves_is_packed_exactly(frames):
    fans, prices = frames
    flat = fans.assign(**{c: 7.0 for c in fans if c.startswith("lstm")})
    values, *_ = unpack(pack_fans(flat, prices, "lstm"))
    assert (values == 7).all()
