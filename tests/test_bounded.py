"""Files that would fill the memory are refused before they are read."""

import gzip
import tempfile
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from forecast import bounded
from forecast.bounded import read_json, read_table, read_yaml
from forecast.errors import InputError
from forecast.prices import load_prices
from forecast.settings import PriceSettings

BILLION = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def load(path):
    return load_prices(PriceSettings(source="csv", csv=(path,)))


@pytest.fixture
def little_memory():
    """Fail when more than 64 MB of Python and NumPy memory were taken."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * bounded.MEGABYTE


def test_a_file_of_2_gigabytes_is_refused_unread(tmp_path, little_memory):
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.write(b"Date,Close\n" + b"2023-01-03,1.00\n" * 2**16)
        file.truncate(2 * 2**30)  # sparse: takes no space
    with pytest.raises(InputError, match=r"larger than 256 MB \(uncompressed\)"):
        load(path)


def test_a_gzip_bomb_is_refused(tmp_path, little_memory):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"Date,Close\n")
        for _ in range(bounded.CSV_BYTES // 2**22 + 1):
            file.write(b"2023-01-03,1.00\n" * 2**18)
    assert path.stat().st_size < 2**21 * 4
    with pytest.raises(InputError, match=r"larger than 256 MB \(uncompressed\)"):
        load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Date,Close\n" + b"\n" * 17_000_000, "17,000,002 lines of 2 columns"),
        (b"Date,Close\n" + (b"," * 999 + b"\n") * 33_000, r"\(32,967,001 cells\)"),
        (b"Date," + b"c" * 2_000_000, "line 1 is longer than 1 MB"),
        (b"Date" + b",c" * 10_000 + b"\n1\n", "lines of 10,001 columns"),
    ],
    ids=["empty_lines", "separators", "a_header_without_end", "columns"],
)
def test_a_small_file_of_very_many_cells_is_refused(tmp_path, little_memory, content, message):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(content, 1))
    with pytest.raises(InputError, match=message):
        load(path)


def test_a_row_without_end_is_told_by_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"Date,Close\n2023-01-03,1\n" + b"x," * 600_000)
    with pytest.raises(InputError, match="line 3 is longer than 1 MB"):
        load(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BILLION, r"aliases \(\*name\) are not read"),
        ("a: " + "[" * 10**6, "nested too deeply"),
        ("a: b\n" * 300_000, "larger than 1 MB"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: " + "9" * 5000, "4300 digits"),
    ],
    ids=["billion_laughs", "nesting", "size", "python", "digits"],
)
def test_yaml_of_a_stranger_is_told_in_little_memory(tmp_path, little_memory, content, message):
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [("[" * 10**6, "nested too deeply; do it"), (" " * 17 * 2**20, "larger than 16 MB; do it")],
    ids=["nesting", "size"],
)
def test_json_of_a_stranger_is_told_in_little_memory(tmp_path, little_memory, content, message):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_json(tmp_path / "a.json", "do it")


def test_plain_yaml_and_json_are_read_with_a_mark_of_their_encoding(tmp_path):
    (tmp_path / "a").write_text('{"a": [1, "ü"]}', encoding="utf-8-sig")
    assert read_yaml(tmp_path / "a") == read_json(tmp_path / "a", "") == {"a": [1, "ü"]}


def write_parquet(path, rows, columns, value):
    """Columns of one value, repeated: little on disk, much in memory."""
    places = pa.array(np.zeros(rows, np.int32))
    column = pa.DictionaryArray.from_arrays(places, pa.array([value]))
    parquet.write_table(pa.table(dict.fromkeys(columns, column)), path, store_schema=False)


def test_a_parquet_bomb_of_rows_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    write_parquet(path, 2**22, [f"c{k}" for k in range(64)], "a")
    assert path.stat().st_size < 2 * 10**6
    with pytest.raises(InputError, match=r"holds 4,194,304 rows of 64 columns"):
        read_table(path)


def test_a_parquet_bomb_of_one_long_text_is_refused(tmp_path):
    path = tmp_path / "text.parquet"
    write_parquet(path, 100_000, ["unique_id"], "x" * 20_000)  # 2 GB when every row has its own
    assert path.stat().st_size < 2 * 10**6
    with pytest.raises(InputError, match="unique_id holds a text of 20,000 bytes"):
        read_table(path)


def test_a_parquet_file_of_lists_is_refused(tmp_path):
    pd.DataFrame({"a": [[1, 2], [3]]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a holds list<.*>, expected numbers, dates or text"):
        read_table(tmp_path / "a.parquet")


def test_what_the_project_writes_is_read_back(tmp_path):
    frame = pd.DataFrame({"unique_id": ["NA", "é"], "ds": pd.to_datetime(["2024-01-02"] * 2)})
    frame = frame.assign(x=[1.5, np.nan], n=[1, 2], m=pd.Categorical(["a", "b"]), b=[True, False])
    frame.to_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.parquet"), frame)


SIGNS = "ab1:-[]{}&*!|>'\"#%@? \n\t,.~"


@given(st.one_of(st.binary(max_size=200), st.text(alphabet=SIGNS, max_size=80)))
def test_any_yaml_is_read_or_told(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with suppress(InputError):
            read_yaml(path)
