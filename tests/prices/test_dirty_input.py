"""The cases of dirty input, read as training reads them."""

import pytest

from forecast.errors import InputError
from forecast.prices import load_prices
from forecast.settings import PriceSettings
from forecast.torture.dirty import CASES


def read(*paths, **flags):
    return load_prices(PriceSettings(source="csv", csv=paths, **flags))


def test_there_are_at_least_45_cases_each_with_its_own_name():
    assert len(CASES) >= 45
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_dirty_input_is_repaired_by_name_or_refused_with_a_remedy(case, tmp_path):
    if case.error:
        with pytest.raises(InputError) as caught:
            read(case.write(tmp_path), **case.flags)
        message = str(caught.value)
        assert "\n" not in message
        for part in case.error:
            assert part in message
        return
    panel, repairs = read(case.write(tmp_path), **case.flags)
    assert panel.tickers == list(case.tickers or ("AAPL",))
    assert panel.sessions.tz is None
    assert panel.sessions.dtype == "datetime64[ns]"
    kinds = {repair.kind for repair in repairs} - {"calendar", "scale"} | {case.repair} - {None}
    assert kinds == ({case.repair} if case.repair else set())
    if case.repair:
        found = [str(repair) for repair in repairs if repair.kind == case.repair]
        assert any(case.says in line for line in found), found


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a directory: give the files in it"):
        read(tmp_path)
