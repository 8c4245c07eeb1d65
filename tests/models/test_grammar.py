"""Every forecaster speaks scikit-learn's grammar."""

import inspect

import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from forecast.models.base import Forecaster
from forecast.models.baselines import BASELINES
from forecast.models.baselines.drift import Drift
from forecast.models.baselines.ewma import EwmaT
from forecast.models.baselines.garch import Garch
from forecast.models.baselines.history import History
from forecast.models.shown import Alone, ByTicker, Recent
from forecast.settings import Settings
from forecast.training import Ensemble, NeuralForecaster, ProgressReport

MADE = {
    **{name: make() for name, make in BASELINES.items()},
    "lstm": NeuralForecaster(Settings(units=3), "lstm", 7),
    "ensemble": Ensemble([NeuralForecaster(seed=1), NeuralForecaster(seed=2)]),
    "alone": Alone(EwmaT()),
    "recent": Recent(EwmaT(degrees=4), 90),
    "by-ticker": ByTicker({"A": EwmaT(), "B": EwmaT(degrees=4)}),
}


def kinds(base=Forecaster):
    """All classes that forecast and can be made."""
    for kind in base.__subclasses__():
        if kind.__module__.startswith("forecast.") and not kind.__name__.startswith("_"):
            yield kind
        yield from kinds(kind)


def shape(value):
    """A parameter so that two can be compared: forecasters by their parameters."""
    if isinstance(value, Forecaster):
        return type(value), shape(value.get_params(deep=False))
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else value


def test_no_forecaster_is_left_out_here():
    assert set(kinds()) == {type(model) for model in MADE.values()}


@pytest.mark.parametrize("name", MADE)
def test_a_clone_has_the_same_parameters_and_nothing_learned(name):
    model = MADE[name]
    model.learned_ = 1
    copy = clone(model)
    del model.learned_
    assert type(copy) is type(model)
    assert shape(copy.get_params(deep=False)) == shape(model.get_params(deep=False))
    assert copy.name == model.name
    assert not hasattr(copy, "learned_")


@pytest.mark.parametrize("name", MADE)
def test_the_constructor_stores_its_arguments_and_nothing_else(name):
    model = MADE[name]
    arguments = list(inspect.signature(type(model).__init__).parameters)[1:]
    stored = {} if type(model).__init__ is object.__init__ else dict.fromkeys(arguments)
    assert set(vars(model)) == set(stored)
    for argument in stored:
        assert model.get_params(deep=False)[argument] is getattr(model, argument)


def test_the_name_follows_from_the_parameters():
    assert Garch().set_params(asymmetric=True).name == "gjr"
    assert History().set_params(sessions=30).name == "history-30"
    assert NeuralForecaster().set_params(cell="gru").name == "gru"
    assert Recent(EwmaT(), 5).set_params(model__degrees=3).model.degrees == 3
    with pytest.raises(ValueError, match="Invalid parameter 'degree'"):
        EwmaT().set_params(degree=4)


def test_the_models_inside_a_clone_are_unfitted_too(make_panel):
    panel = make_panel(tickers=2, sessions=200)
    member = BASELINES["drift"]().fit(panel, panel.sessions[-1])
    inside = [
        clone(Alone(member)).model,
        clone(ByTicker({"A": member})).models["A"],
        clone(Ensemble([member])).members[0],
    ]
    assert hasattr(member, "mean_")
    assert not any(hasattr(each, "mean_") for each in inside)


def test_clones_report_to_the_terminal_of_the_first():
    report = ProgressReport(print, print)
    assert clone(NeuralForecaster(report=report)).report is report


def test_scikit_learn_knows_whether_a_forecaster_is_fitted(make_panel):
    panel, model = make_panel(tickers=1, sessions=200), Drift()
    with pytest.raises(NotFittedError, match="This Drift instance is not fitted yet"):
        check_is_fitted(model)
    check_is_fitted(model.fit(panel, panel.sessions[-1]))


def test_in_a_notebook_a_forecaster_shows_its_parameters_escaped():
    hostile = NeuralForecaster(Settings(tickers=("<script>alert(1)</script>",)))
    page = hostile._repr_html_()
    assert "NeuralForecaster" in page
    assert "<script>alert" not in page
    told = repr(hostile.settings)
    assert told == "Settings(tickers=('<script>alert(1)</script>',))"
