"""Every row of the table of dirty input: a named repair, an error with a remedy, or accepted."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forecast.torture.made import (
    NAMES,
    decimal_comma,
    extra_field,
    flat,
    history_with_offsets,
    long,
    prices,
    split,
    temperatures,
    text,
    wide,
    with_cell,
    with_line,
    with_rows,
    yfinance_download,
)


@dataclass(frozen=True)
class Case:
    """One dirty input and what must come of it.

    Args:
        name: of the case.
        content: of the file; None for a file that is not there.
        error: what the refusal says; empty where the file is accepted.
        repair: the only kind of repair that is reported, where one is.
        says: what one of these reports says.
        file: name of the file.
        flags: settings it is read with.
        tickers: series that must be read (default: AAPL).
    """

    name: str
    content: str | bytes | None
    error: tuple[str, ...] = ()
    repair: str | None = None
    says: str = ""
    file: str = "AAPL.csv"
    flags: dict[str, Any] = field(default_factory=dict)
    tickers: tuple[str, ...] | None = None

    def write(self, folder: Path) -> Path:
        """Write the file and return its path."""
        path = folder / self.file
        if self.content is not None:
            content = self.content
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


#: Every case; the tests and the campaign of bad inputs take them from here.
CASES = [
    # sessions
    Case("missing_session", with_rows(lambda f: f.drop(index=9)), repair="missing session",
         says="AAPL 2023-01-17"),
    Case("many_missing_sessions", with_rows(lambda f: f.drop(index=range(9, 13))),
         error=("AAPL 2023-01-17", "4 of 30 sessions of XNYS missing", "5%", "--start")),
    Case("weekend", with_cell(9, "Date", "2023-01-15"),
         error=("AAPL 2023-01-15", "a Sunday", "--calendar 24/7")),
    Case("holiday", with_cell(9, "Date", "2023-01-16"),
         error=("AAPL 2023-01-16", "holiday", "XNYS", "--calendar")),
    Case("future_date", with_cell(29, "Date", "2199-01-02"),
         error=("AAPL 2199-01-02", "in the future", "--end")),
    Case("unknown_calendar", text(prices()), flags={"calendar": "XNYX"},
         error=("no exchange calendar 'XNYX'", "XNYS", "--calendar")),
    # closes that are not there
    Case("nan_close", with_cell(9, "Close", "", rows=200), repair="NaN close",
         says="AAPL 2023-01-17"),
    Case("null_close", with_cell(9, "Adj Close", "null", rows=200), repair="NaN close"),
    Case("many_nan_closes", with_rows(lambda f: f.assign(Close=f["Close"].where(f.index > 3)), 200),
         error=("AAPL 2023-01-03", "close is NaN", "4 of 200 rows", "1%")),
    Case("nan_close_in_the_last_window", with_cell(198, "Close", "NaN", rows=200),
         error=("AAPL 2023-10-17", "close is NaN", "last 160 sessions", "--end")),
    Case("nan_open", with_cell(9, "Open", ""), repair="no open", says="AAPL 2023-01-17"),
    # values that are no prices
    Case("zero_price", with_cell(9, "Close", 0),
         error=("AAPL 2023-01-17", "close is 0", "correct")),
    Case("negative_price", with_cell(9, "Low", -3.5),
         error=("AAPL 2023-01-17", "low is -3.5", "above 0")),
    Case("infinite_price", with_cell(9, "High", "inf"),
         error=("AAPL 2023-01-17", "high is inf", "finite")),
    Case("overflowing_price", with_cell(9, "Adj Close", "1e400"),
         error=("AAPL 2023-01-17", "adj_close is inf", "finite")),
    Case("negative_volume", with_cell(9, "Volume", -1),
         error=("AAPL 2023-01-17", "volume is -1", "0 or more")),
    Case("high_below_close", with_cell(9, "High", 1.0),
         error=("AAPL 2023-01-17", "high 1 is below the", "--tickers")),
    Case("low_above_open", with_cell(9, "Low", 9e5),
         error=("AAPL 2023-01-17", "low 900000 is above the")),
    Case("high_below_close_by_rounding",
         with_rows(lambda f: f.assign(High=f[["Open", "Close"]].max(axis=1) * (1 - 5e-7)))),
    # dates
    Case("identical_rows", with_rows(lambda f: f.loc[[*range(10), 9, *range(10, 30)]]),
         repair="duplicate row", says="AAPL 2023-01-17"),
    Case("different_rows_of_one_date", with_cell(9, "Date", "2023-01-13"),
         error=("AAPL 2023-01-13", "2 rows with different open", "one row")),
    Case("newest_first", with_rows(lambda f: f[::-1]), repair="sorted", says="newest first"),
    Case("shuffled", with_rows(lambda f: f.sample(frac=1, random_state=1)), repair="sorted",
         says="out of order"),
    Case("mixed_utc_offsets", history_with_offsets(), repair="dates", says="UTC offset -04:00"),
    Case("day_first", with_rows(lambda f: f.assign(Date=f["Date"].dt.strftime("%d/%m/%Y"))),
         error=("AAPL.csv line 2", "'03/01/2023'", "ISO", "--date-format %d/%m/%Y")),
    Case("day_first_with_format", flags={"date_format": "%d/%m/%Y"},
         content=with_rows(lambda f: f.assign(Date=f["Date"].dt.strftime("%d/%m/%Y")))),
    Case("another_format", text(prices()), flags={"date_format": "%d/%m/%Y"},
         error=("line 2", "'2023-01-03'", "--date-format %d/%m/%Y")),
    Case("unix_time", with_rows(lambda f: f.assign(Date=f["Date"].astype("int64"))),
         error=("line 2", "'1672704000000000000'", "ISO")),
    Case("empty_date", with_cell(9, "Date", ""), error=("line 11", "''", "2024-01-31")),
    Case("year_1066", with_cell(9, "Date", "1066-10-14"), error=("line 11", "'1066-10-14'")),
    Case("year_9999", with_cell(9, "Date", "9999-12-31"), error=("line 11", "'9999-12-31'")),
    Case("header_again_in_the_middle", with_line(9, ",".join(NAMES.values())),
         error=("line 10", "expected a number")),
    Case("footer", text(prices()) + "Source: the internet\n",
         error=("line 32", "'Source: the internet'")),
    # splits and flat stretches
    Case("split_2_for_1", split(0.5, adjusted=False),
         error=("AAPL 2023-01-25", "2:1 split", "adj_close")),
    Case("split_3_for_1", split(1 / 3, adjusted=False), error=("3:1 split", "adj_close")),
    Case("reverse_split_1_for_4", split(4.0, adjusted=False), error=("1:4 split", "adj_close")),
    Case("split_adjusted", split(0.5, adjusted=True, scale_adjusted=False)),
    Case("fall_to_half_in_the_adjusted_close", split(0.5, adjusted=True), repair="large step",
         says="AAPL 2023-01-25"),
    Case("five_equal_closes", flat(9, 13), repair="flat prices", says="5 equal closes of 90"),
    Case("a_window_of_equal_closes", flat(9, 190, rows=200),
         error=("AAPL 2023-01-17", "182 sessions", "whole window", "filled forward")),
    # the shape of the table
    Case("one_field_too_many_in_the_first_row", extra_field(1),
         error=("AAPL.csv line 2", "8 fields, but the header has 7")),
    Case("one_field_too_many_in_a_later_row", extra_field(9),
         error=("AAPL.csv line 10", "8 fields, but the header has 7")),
    Case("a_row_cut_short", with_line(9, "2023-01-13,1"),
         error=("AAPL 2023-01-13", "close is NaN")),
    Case("blank_lines", "\n" + text(prices()).replace("\n2023-01-17", "\n\n2023-01-17") + "\n\n"),
    Case("line_numbers_count_blank_lines",
         "\n" + with_cell(9, "Close", "x").replace("\n2023-01-05", "\n\n\n2023-01-05"),
         error=("line 14", "Close is 'x'")),
    Case("no_close", with_rows(lambda f: f[["Date", "Open", "High"]]),
         error=("found the columns Date, Open, High", "expected close or adj_close", "rename")),
    Case("no_date", with_rows(lambda f: f[["Close", "Volume"]]),
         error=("found the columns Close, Volume", "expected a date column")),
    Case("no_header", "\n".join(text(prices()).splitlines()[1:]),
         error=("found the columns 2023-01-03", "first line must name the columns")),
    Case("other_names", with_rows(lambda f: f.rename(columns={
        "Date": "TRADE DATE", "Close": "Close/Last", "Adj Close": "adjusted_close"}))),
    Case("two_columns_for_one_field", with_rows(lambda f: f.assign(Last=f["Close"])),
         error=("Close and Last both mean close", "remove one")),
    Case("one_name_twice", text(prices()).replace("Open", "Close", 1),
         error=("Close more than once",)),
    Case("columns_not_used", with_rows(lambda f: f.assign(Currency="USD")),
         repair="columns not used", says="Currency"),
    Case("saved_by_yfinance", yfinance_download(), tickers=("AAPL", "MSFT")),
    # cells
    Case("semicolons", decimal_comma(), error=("--sep ';'", "--decimal ,")),
    Case("tabs", text(prices(), sep="\t"), error=("--sep $'\\t'",)),
    Case("decimal_comma", decimal_comma(), flags={"sep": ";"},
         error=("line 2: Close is", "--decimal ,")),
    Case("decimal_comma_named", decimal_comma("."), flags={"sep": ";", "decimal": ","}),
    Case("decimal_point_named_comma", text(prices(), sep=";"), flags={"sep": ";", "decimal": ","},
         error=("expected a number with a decimal comma", "1.234,56")),
    Case("thousands_separators", with_cell(9, "Volume", "1,234,567"),
         error=("line 11", "Volume is '1,234,567'", "thousands")),
    Case("a_word_for_a_price", with_cell(9, "Close", "halted"),
         error=("line 11", "Close is 'halted'", "expected a number")),
    Case("true_for_a_price", with_rows(lambda f: f.assign(Close=True)),
         error=("line 2", "Close is 'True'", "expected a number")),
    Case("a_formula_for_a_price", with_cell(9, "Close", "=1+2"),
         error=("line 11", "Close is '=1+2'")),
    Case("an_open_quote", with_cell(9, "Close", "@").replace("@", '"1'),
         error=("AAPL.csv", "quote")),
    # files
    Case("utf_16", text(prices()).encode("utf-16"), error=("UTF-16", "save it as UTF-8")),
    Case("utf_16_without_a_mark", text(prices()).encode("utf-16-le"), error=("UTF-16",)),
    Case("utf_8_with_a_mark", b"\xef\xbb\xbf" + text(prices()).encode()),
    Case("latin_1", long(["AAPL", "Süß"]).to_csv(index=False).encode("latin-1"),
         error=("not UTF-8", "save it as UTF-8")),
    Case("empty_file", b"", error=("is empty", "expected a header")),
    Case("blank_file", b"\n\n", error=("is empty",)),
    Case("header_only", "Date,Close\n", error=("a header and no rows",)),
    Case("missing_file", None, error=("no file", "--csv")),
    Case("binary", bytes(range(256)) * 9, error=("binary", "CSV")),
    Case("excel", b"PK\x03\x04" + b"x" * 99, error=("Excel", "CSV")),
    Case("web_page", "<!doctype html><p>404</p>", error=("a web page",)),
    Case("broken_gzip", b"\x1f\x8b" + b"x" * 99, file="AAPL.csv.gz", error=("cannot be read",)),
    Case("gzip", gzip.compress(text(prices()).encode()), file="AAPL.csv.gz"),
    # names
    Case("names_like_missing_values", text(long(["NA", "NULL", "TRUE", "007"])), file="all.csv",
         tickers=("007", "NA", "NULL", "TRUE")),
    Case("name_that_is_a_path", text(long(["../x"])), error=("'../x'", "rename it")),
    Case("name_that_is_a_device", text(long(["CON"])), error=("'CON'", "device name")),
    Case("names_equal_but_for_case", text(long(["AAPL", "aapl"])),
         error=("'AAPL' and 'aapl'", "differ in case only")),
    Case("empty_name", text(long(["AAPL", ""])), error=("line 32", "name of the series is empty")),
    Case("formula_for_a_name", text(long(["=cmd()"])), tickers=("=cmd()",)),
    # series
    Case("too_short", text(prices(1)), error=("AAPL has 1 row ", "expected 2 at least")),
    Case("wide", text(wide(["AAPL", "MSFT"])), tickers=("AAPL", "MSFT")),
    Case("wide_ends_early", text(wide(["AAPL", "MSFT"]).assign(
        MSFT=lambda f: f["MSFT"].where(f.index < 20))), repair="ends early",
        says="MSFT 2023-01-31", tickers=("AAPL", "MSFT")),
    Case("wide_last_row_empty", text(wide(["AAPL", "MSFT"])) + "2023-02-15,,\n",
         error=("AAPL 2023-02-15", "close is NaN")),
    Case("temperatures", temperatures(), repair="scale", says="0 or below", tickers=("berlin",)),
    Case("temperatures_on_weekdays", temperatures("B"), repair="calendar", says="24/5",
         tickers=("berlin",)),
    Case("infinite_temperature", temperatures().replace(",4.2\n", ",inf\n", 1),
         error=("berlin 2023-01-03", "is inf", "finite")),
    Case("monthly_values", temperatures("MS", 40), error=("sessions of 24/7 missing", "daily")),
]  # fmt: skip
