from forecast.torture import Counts, result_json


def test_counts_are_said_in_words():
    assert str(Counts("kills", 20, "resumed identical", 20)) == "kills 20, resumed identical 20"
    assert str(Counts("fuzz", 20_000, "tracebacks", 0)) == "fuzz 20,000, tracebacks 0"


def test_one_fault_and_the_whole_has_not_passed():
    fine = Counts("fuzz", 9, "tracebacks", 0, by={"csv": 9})
    bad = Counts("kills", 3, "resumed identical", 2, faults=("kill 2: other weights",))
    whole = result_json({"fuzz": fine, "kills": bad}, seed=4)
    assert not whole["passed"]
    assert result_json({"fuzz": fine}, seed=4)["passed"]
    assert whole["seed"] == 4
    assert whole["campaigns"]["kills"]["kills"] == 3
    assert whole["campaigns"]["kills"]["resumed identical"] == 2
    assert whole["campaigns"]["kills"]["faults"] == ["kill 2: other weights"]
    assert whole["campaigns"]["fuzz"]["by"] == {"csv": 9}
    assert "numpy" in whole["versions"]
