import pytest

from forecast.counts import ahead, counted


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 folds"), (1, "1 fold"), (2, "2 folds"), (12_000, "12,000 folds")]
)
def test_one_is_in_the_singular_and_many_have_separators(number, told):
    assert counted(number, "fold") == told


def test_a_horizon_is_told_in_words():
    assert [ahead(h) for h in (1, "5")] == ["1 session ahead", "5 sessions ahead"]
