import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from forecast.settings import SCORED_HORIZONS, Settings, WindowSettings


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"csv": ["a.csv"]}, "--csv goes with --source csv, not with --source bundled"),
        ({"source": "csv"}, "--source csv needs at least one --csv PATH"),
        (
            {"start": date(2010, 1, 2), "end": date(2010, 1, 2)},
            "--start 2010-01-02 is not before --end 2010-01-02",
        ),
        (
            {"validation_start": date(2010, 1, 3), "test_start": date(2010, 1, 2)},
            "--validation-start 2010-01-03 is not before --test-start 2010-01-02",
        ),
        ({"cell": ["lstm", "gru", "lstm"]}, "--cell names a layer twice: lstm, gru, lstm"),
    ],
)
def test_settings_that_contradict_each_other_are_told(given_settings, message):
    with pytest.raises(ValidationError, match=message):
        Settings(**given_settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unitz": 3},
        {"units": 0},
        {"units": "many"},
        {"lookback": 7},
        {"horizon": 0},
        {"lr": 0},
        {"lr": float("nan")},
        {"lr": "fast"},
        {"forget_bias": 21},
        {"forget_bias": "chronos"},
        {"dropout": 1},
        {"cell": []},
        {"cell": ["transformer"]},
        {"seed": -1},
        {"seeds": 0},
        {"name": "../elsewhere"},
        {"name": ".hidden"},
        {"name": ""},
        {"sep": ";;"},
        {"source": "tea leaves"},
        {"calendar": "NYSE; rm"},
    ],
    ids=str,
)
def test_nonsense_is_refused_where_it_enters(wrong):
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_settings_cannot_be_changed_after_they_were_checked():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().units = 3


def test_every_setting_says_what_it_is():
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_every_flag_of_the_command_line_is_there():
    flags = (
        "source csv tickers start end validation_start test_start lookback horizon cell units "
        "epochs batch_size lr seeds seed runs_dir name quiet tensorboard"
    )
    assert set(flags.split()) <= set(Settings.model_fields)


@given(lookback=st.integers(8, 4096), horizon=st.integers(1, 250))
def test_horizons_ascend_from_one_session_to_the_longest(lookback, horizon):
    settings = WindowSettings(lookback=lookback, horizon=horizon)
    learned, scored = settings.learned_horizons, settings.scored_horizons
    assert learned[0] == 1
    assert learned[-1] == horizon
    assert list(learned) == sorted(set(learned))
    assert scored
    assert set(scored) == {h for h in SCORED_HORIZONS if h <= horizon}
    assert 2 <= settings.warmup < lookback / 2


@given(data=st.data())
def test_settings_survive_being_written_as_json_and_read_again(data):
    settings = Settings(
        source="csv",
        csv=("one.csv", "two.csv"),
        tickers=tuple(data.draw(st.lists(st.text(min_size=1, max_size=5), max_size=3))),
        start=data.draw(st.none() | st.dates(date(1900, 1, 1), date(2000, 1, 1))),
        lr=data.draw(st.floats(1e-9, 1)),
        cell=data.draw(st.permutations(["lstm", "keras-lstm", "gru", "simple-rnn"])),
        seed=data.draw(st.integers(0, 2**31 - 1)),
    )
    text = json.dumps(settings.model_dump(mode="json"))
    assert Settings.model_validate(json.loads(text)) == settings
