import pytest

from forecast.jobs.scale_page import publish, told, verdicts


def size(tickers, train=500.0, forecast=20.0, waiting=0.01, peak=1000.0, panel=1.0):
    ours = {"windows": 100 * tickers, "origins": 240 * tickers, "features_ms_per_ticker": 1.5}
    ours |= {"train_us_per_window": train, "forecast_us_per_origin": forecast}
    ours |= {"waiting_share": waiting, "cutting_share": 0.02, "cut_us_per_window": 1.1}
    ours |= {"loop_us_per_window": 480.0, "prices_mb": panel / 10, "handing_share": 0.004}
    ours |= {"panel_mb": panel, "peak_mb": peak}
    keras = {"cut_us_per_window": 9.0, "peak_mb": 3000.0}
    keras |= {"waiting_share": 0.25, "loop_us_per_window": 640.0}
    return {"tickers": tickers, "ours": ours, "keras": keras}


def result(*sizes):
    about = {"cores": 2, "rounds": 3, "seconds": 300.0, "sessions": 2500}
    return about | {"sizes": list(sizes)}


def test_what_stays_within_the_promises_is_kept_and_a_cost_that_falls_is_too():
    last = size(5000, train=570.0, forecast=10.0, waiting=0.049, peak=1990.0, panel=500.0)
    lines = verdicts(result(size(20), last))
    assert [line.split(":")[0] for line in lines[:4]] == ["kept"] * 4
    assert "a training window changes by +14 % from 20 to 5,000 tickers" in lines[0]
    assert "a forecast origin changes by -50 %" in lines[1]
    assert "1,000 MB + 1.98 × the panel of 500 MB" in lines[2]
    assert "waits for data in 4.9 % of its time (promised: less than 5 %), 0.4 % with" in lines[3]
    assert "the panel of 500 MB, 50 MB of it prices" in lines[2]
    assert "a window takes 1.1 against 9.0 µs, the step waits 4.9 against 25.0 %" in lines[4]
    assert "costs 480 against 640 µs, and the peak is 1,990 MB" in lines[4]


@pytest.mark.parametrize(
    ("place", "broken"),
    [
        (0, {"train": 580.0}),
        (1, {"forecast": 23.1}),
        (2, {"peak": 2000.0}),
        (3, {"waiting": 0.05}),
    ],
)
def test_what_does_not_is_said(place, broken):
    last = size(5000, **{"peak": 1500.0, "panel": 500.0} | broken)
    kept = [not line.startswith("NOT KEPT:") for line in verdicts(result(size(20), last))]
    assert kept == [k != place for k in range(5)]


def test_waiting_is_that_of_the_size_that_waits_most():
    lines = verdicts(result(size(20, waiting=0.3), size(5000, peak=1001.0)))
    assert lines[3].startswith("NOT KEPT: a training step waits for data in 30.0 %")


def test_the_page_has_the_table_the_verdicts_and_the_growth_in_words(tmp_path):
    found = result(size(20), size(500), size(5000, panel=500.0))
    publish(found, tmp_path / "scale.md")
    page = (tmp_path / "scale.md").read_text()
    titles, rows = told(found)
    assert len(rows) == 3
    assert all(" | ".join(row) in page for row in [titles, *rows])
    assert all(line in page for line in verdicts(found))
    assert "the features take 8 s" in page
    assert "forecasting and scoring 1,200,000 origins 24 s" in page
    assert (tmp_path / "scale" / "scale.json").is_file()
