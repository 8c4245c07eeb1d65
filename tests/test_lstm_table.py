import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def table():
    spec = importlib.util.spec_from_file_location("lstm_table", ROOT / "scripts" / "lstm_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def result(table):
    """Two shapes, twice and half as fast."""
    fresh = {"first_s": 1.0, "peak_mb": 500.0, "grown_mb": 100.0}
    rows = {
        label: {
            "train": {"keras": 10.0, "keras jit": 11.0, "ours": ours, "three products": 2.0},
            "forward": {"keras": 4.0, "ours": 2.0},
            "monitor": {"none": 5.0, "every 10": every_10, "every 1": 6.0},
            "fresh": {"keras": fresh, "ours": fresh | {"peak_mb": 600.0}},
        }
        for label, ours, every_10 in (("64×60×8×64", 5.0, 4.9), ("32×60×4×50", 20.0, 5.1))
    }
    return {"shapes": rows, "geometric_means": table.summary(rows), "cores": 2}


def test_the_table_shows_milliseconds_and_ratios_and_their_geometric_mean(table, result):
    lines = table.page(result).splitlines()
    assert lines[0] == (
        "| batch × steps × features × units | Keras (ms) | Keras, jit | ours | products |"
    )
    assert lines[2] == "| 64×60×8×64 | 10.0 | 1.10 | 0.50 | 0.20 |"
    assert lines[3] == "| 32×60×4×50 | 10.0 | 1.10 | 2.00 | 0.20 |"
    assert lines[4] == "| geometric mean | | 1.10 | 1.00 | 0.20 |"
    assert "2 cores. Forwards only ours takes 0.50 of Keras's time." in lines[6]
    assert "every tenth step cannot be told from none (0.98 to 1.02 of the time" in lines[6]
    assert "every step costs 20 % (20 to 20 %)" in lines[6]
    assert "1.20 to 1.20 of the memory" in lines[6]


def test_torch_is_told_with_its_version_where_it_was_timed(table, result):
    for row in result["shapes"].values():
        row["train"]["torch"], row["forward"]["torch"] = 8.0, 1.0
    timed = result | {"geometric_means": table.summary(result["shapes"]), "torch": "2.13.0"}
    said = table.page(timed).splitlines()[6]
    assert said.startswith("2 cores; torch is 2.13.0, with as many threads.")
    assert "0.50 of Keras's time (torch 0.25)" in said


def test_only_the_place_of_the_table_is_written_anew(table, result, tmp_path):
    path = tmp_path / "layer.md"
    path.write_text((ROOT / "docs" / "layer.md").read_text(encoding="utf-8"), encoding="utf-8")
    before = path.read_text(encoding="utf-8")
    table.write_page(result, path)
    after = path.read_text(encoding="utf-8")
    head, tail = before.split(table.BEGIN)[0], before.split(table.END)[1]
    assert after == f"{head}{table.BEGIN}\n{table.page(result)}\n{table.END}{tail}"


def test_a_page_without_a_place_is_told(table, result, tmp_path):
    (tmp_path / "page.md").write_text("nothing here", encoding="utf-8")
    with pytest.raises(ValueError, match="has no place for the table"):
        table.write_page(result, tmp_path / "page.md")
