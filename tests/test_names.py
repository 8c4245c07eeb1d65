"""Names that become files stay in their folder, on every system."""

from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from forecast.drafts import find_stopped, new_run
from forecast.errors import InputError
from forecast.names import check_run_name, check_series_names, file_stem, is_device
from forecast.settings import Settings

HOSTILE = ["../x", "/etc/passwd", "..", ".", "", "CON", "nul.txt", "com1", "a/b", "a\\b", "a\0b"]
HOSTILE += ["a.", ".a", "-rf", "a b", "a" * 101, "\x1b[2J", "x\n", "é", "C:x"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_run_is_never_called_like_a_path_a_device_or_a_flag(name, tmp_path):
    with pytest.raises(InputError, match="is no name of a run"):
        check_run_name(name)
    with pytest.raises(ValidationError):
        Settings(name=name)
    with pytest.raises(InputError, match=r"no name of a run|no stopped training"):
        find_stopped(tmp_path, name)


@pytest.mark.parametrize("name", ["a", "2026-01-31_17-05-09_csv", "v1.2", "x" * 100, "console"])
def test_plain_names_of_runs_are_taken(name):
    assert Settings(name=check_run_name(name)).name == name


def test_a_stopped_training_outside_the_folder_of_runs_is_not_found(tmp_path):
    outside = tmp_path / ".x.partial" / "checkpoint"
    outside.mkdir(parents=True)
    (outside / "start.json").write_text("{}")
    with pytest.raises(InputError, match=r"'\.\./x' is no name of a run"):
        find_stopped(tmp_path / "runs", "../x")


def test_runs_whose_names_differ_in_case_only_do_not_stand_side_by_side(tmp_path):
    with new_run(tmp_path, "First"):
        pass
    with pytest.raises(InputError, match=r"the run .*First exists"), new_run(tmp_path, "FIRST"):
        pass


@pytest.mark.parametrize("setting", ["csv", "tickers", "runs_dir", "date_format"])
def test_no_setting_holds_a_nul(setting):
    value = "a\0b" if setting in ("runs_dir", "date_format") else ["a\0b"]
    with pytest.raises(ValidationError, match="there is a NUL sign in it"):
        Settings.model_validate({"source": "csv", "csv": ["a.csv"], setting: value})


@pytest.mark.parametrize(
    "name", ["../x", "/x", "CON", "prn.x", "LPT¹", "a\0", "\x1b[31m", "\u202e"]
)
def test_a_series_is_never_called_like_a_path_or_a_device_and_holds_no_control_signs(name):
    with pytest.raises(InputError, match="cannot be used: expected 1 to 80 printable"):
        check_series_names([name])


@given(st.text(max_size=90))
def test_a_file_name_for_any_ticker_stays_in_its_folder_on_every_system(ticker):
    stem = file_stem(ticker)
    assert Path("x", f"{stem}.png").resolve().parent == Path("x").resolve()
    assert PureWindowsPath(stem).name == stem
    assert not is_device(stem)
    assert len(stem) <= 70
    assert stem.isascii()


@pytest.mark.parametrize(
    ("ticker", "stem"),
    [
        *(("AAPL", "AAPL"), ("BRK-B", "BRK-B"), ("A_B", "A_B")),
        *(("^GSPC", "_GSPC-7c563ba4"), ("../a/b", "_.._a_b-f27172e6")),
        *(("..", "_..-9608161c"), ("CON", "_CON-6b18d5d6"), ("", "_-00000000")),
    ],
)
def test_a_file_name_for_a_ticker_holds_no_sign_that_means_something(ticker, stem):
    assert file_stem(ticker) == stem


def test_no_two_tickers_share_a_file_name():
    tickers = ["A B", "A_B", "A/B", "A" * 60, "A" * 61, "A" * 62, "é", "è", "..", "._"]
    assert len({file_stem(ticker) for ticker in tickers}) == len(tickers)
