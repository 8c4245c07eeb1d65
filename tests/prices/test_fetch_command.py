import io
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from forecast.cli import main
from forecast.errors import InputError
from forecast.jobs.fetching import fetch_prices
from forecast.jobs.terminal import Terminal
from forecast.prices import load_prices
from forecast.prices.yahoo_cache import load_cached
from forecast.settings import PriceSettings

START, END = date(2024, 1, 2), date(2024, 6, 28)


def gone(bars, hit):
    error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
    return 404, {"chart": {"result": None, "error": error}}


def fetched(connection, *tickers):
    screen = io.StringIO()
    terminal = Terminal(console=Console(file=screen, width=200))
    done = fetch_prices(tickers, START, END, terminal, connection)
    return done, screen.getvalue()


def test_every_ticker_has_its_line_and_is_in_the_cache(yahoo, connection):
    done, said = fetched(connection, "AAPL", "^GSPC", "BRK-B")
    assert done
    assert "3 of 3 tickers there" in said
    for name in ("AAPL", "^GSPC", "BRK-B"):
        line = next(line for line in said.splitlines() if line.strip().startswith(name))
        assert line.split()[1:5] == ["fetched", "124", "2024-01-02", "2024-06-28"]
        assert len(load_cached(connection.folder, name).rows) == 124


def test_what_could_be_had_is_kept_when_one_ticker_fails(yahoo, connection):
    yahoo.behaviour["GONE"] = gone
    done, said = fetched(connection, "AAPL", "GONE", "MSFT")
    assert not done
    assert "2 of 3 tickers there; without prices: GONE" in said
    assert "Yahoo has no prices of GONE" in said
    assert load_cached(connection.folder, "MSFT") is not None


def test_what_was_fetched_is_written_for_the_source_parquet_too(yahoo, connection, tmp_path):
    folder = tmp_path / "wide"
    assert fetch_prices(["AAPL", "^GSPC"], START, END, Terminal(), connection, folder)
    settings = PriceSettings(source="parquet", path=folder)
    panel, _ = load_prices(settings)
    assert panel.tickers == ["AAPL", "^GSPC"]
    kept = load_cached(connection.folder, "AAPL").rows["adj_close"]
    np.testing.assert_allclose(panel.field("adj_close")["AAPL"], kept, rtol=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (date(2024, 3, 1), END, "83 from 2024-03-01 to 2024-06-28"),
        (START, date(2024, 3, 1), "42 from 2024-01-02 to 2024-03-01"),
    ],
)
def test_a_longer_history_in_the_folder_is_never_replaced_by_a_shorter_one(
    yahoo, connection, tmp_path, start, end, told
):
    folder = tmp_path / "wide"
    fetch_prices(["AAPL", "MSFT"], START, END, Terminal(), connection, folder)
    kept = {path: path.read_bytes() for path in folder.rglob("*.parquet")}
    (folder / "unique_id=MSFT" / "prices.parquet").write_text("damaged")
    elsewhere = replace(connection, folder=tmp_path / "empty cache")
    with pytest.raises(
        InputError,
        match=r"AAPL/prices.parquet holds 124 sessions from 2024-01-02 to 2024-06-28, the new "
        rf"prices of AAPL are {told}: sessions would be lost, so it stays .* file\.$",
    ):
        fetch_prices(["AAPL", "MSFT"], start, end, Terminal(), elsewhere, folder)
    for path, content in kept.items():
        assert (path.read_bytes() == content) == ("AAPL" in str(path))
    panel, _ = load_prices(PriceSettings(source="parquet", path=folder))  # MSFT is written again
    assert told.startswith(str(panel.field("close")["MSFT"].count()))


def test_a_format_goes_with_a_folder(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["fetch", "AAPL", "--format", "parquet"])
    assert stopped.value.code == 2
    assert "--format parquet and --path DIR go together" in capsys.readouterr().err


def test_the_second_time_nothing_is_asked_for(yahoo, connection):
    fetched(connection, "AAPL")
    asked = len(yahoo.paths)
    done, said = fetched(connection, "AAPL")
    assert done
    assert "cached" in said
    assert len(yahoo.paths) == asked


def test_a_failure_is_the_exit_code_of_the_command(monkeypatch):
    for done, code in ((True, 0), (False, 1)):
        monkeypatch.setattr("forecast.jobs.fetching.fetch_prices", lambda *_, done=done, **__: done)
        with pytest.raises(SystemExit) as stopped:
            main(["fetch", "AAPL", "^GSPC", "--start", "2020-01-01"])
        assert stopped.value.code == code


def test_without_tickers_and_with_dates_the_wrong_way_round_one_is_told():
    with pytest.raises(InputError, match="name the tickers: forecast fetch AAPL"):
        fetch_prices([], None, None, Terminal())
    with pytest.raises(InputError, match="--start 2024-06-28 is not before --end 2024-01-02"):
        fetch_prices(["AAPL"], END, START, Terminal())


def test_check_prints_series_and_repairs_and_trains_nothing(tmp_path, capsys, make_panel):
    one = make_panel(tickers=1, sessions=60).field("close").iloc[:, 0]
    rows = pd.DataFrame({"Date": one.index, "Close": one.to_numpy()}).drop(index=9)
    rows.to_csv(tmp_path / "ONE.csv", index=False)
    with pytest.raises(SystemExit) as stopped:
        main(["check", str(tmp_path / "ONE.csv")])
    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "1 series from csv, calendar XNYS" in said
    assert "missing session: 1 of 60 sessions of XNYS missing" in said
    assert list(tmp_path.iterdir()) == [tmp_path / "ONE.csv"]


def test_check_refuses_what_training_would_refuse(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("Date,Close\n2023-01-03,1.5\n2023-01-04,abc\n")
    with pytest.raises(SystemExit) as stopped:
        main(["check", str(tmp_path / "a.csv")])
    assert stopped.value.code == 2
    assert "a.csv line 3: Close is 'abc', expected a number" in capsys.readouterr().err


def test_check_without_files_looks_at_the_bundled_prices(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["check"])
    assert stopped.value.code == 0
    assert "5 series from bundled" in capsys.readouterr().out
