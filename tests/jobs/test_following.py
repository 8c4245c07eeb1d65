import pandas as pd

from forecast.jobs.following import COLUMNS, PROGRESS, keep_progress


def test_every_epoch_adds_a_line_that_a_reader_can_follow(tmp_path):
    (tmp_path / PROGRESS).parent.mkdir()
    for seed in (0, 1):
        keep = keep_progress(tmp_path, {"model": "lstm", "seed": seed, "epochs": 30})
        keep({"epoch": 1, "loss": 0.6, "val_loss": 0.5, "gradient_norm": 0.02, "other": 1.0})
        keep({"epoch": 2, "loss": 0.5, "val_loss": 0.4})
    read = pd.read_csv(tmp_path / PROGRESS)
    assert list(read) == list(COLUMNS)
    assert read["seed"].tolist() == [0, 0, 1, 1]
    assert read["val_loss"].tolist() == [0.5, 0.4, 0.5, 0.4]
    assert read["gradient_norm"].isna().tolist() == [False, True, False, True]


def test_a_place_that_cannot_be_written_never_stops_a_training(tmp_path):
    keep_progress(tmp_path / "gone", {"model": "lstm"})({"epoch": 1})
    assert not (tmp_path / "gone").exists()
