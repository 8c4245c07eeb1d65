import pandas as pd

from forecast.prices import Repair, render_repairs


def repair(name: str, day: str | None, kind: str) -> Repair:
    return Repair(name, pd.Timestamp(day) if day else None, kind, "3 rows, dropped")


def test_a_repair_prints_as_one_line():
    assert str(repair("AAPL", "2024-01-02", "NaN close")) == (
        "AAPL 2024-01-02: NaN close: 3 rows, dropped"
    )
    assert str(repair("AAPL", None, "sorted")) == "AAPL: sorted: 3 rows, dropped"


def test_a_few_repairs_are_listed_and_many_of_a_kind_are_counted():
    many = [repair(f"T{n}", f"2024-01-0{n + 1}", "flat prices") for n in range(7)]
    many.append(repair("T6", "2024-01-09", "flat prices"))
    lines = render_repairs([repair("AAPL", None, "sorted"), *many])
    assert lines == [
        "AAPL: sorted: 3 rows, dropped",
        "flat prices: 8 times (T6 2, T0 1, T1 1, T2 1, T3 1 and 2 more series), "
        "2024-01-01 to 2024-01-09; first: 3 rows, dropped",
    ]


def test_nothing_to_report_is_no_line():
    assert render_repairs([]) == []
