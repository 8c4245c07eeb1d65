import json

import pandas as pd
from bokeh.models import Span

from forecast.report.gradients import alerts, gates, lags, losses, norms
from forecast.report.reading import RunFolder


def add(run, *rows):
    """Add rows (quantity, layer, gate, value) to the telemetry of a run."""
    path = run / "telemetry.parquet"
    more = pd.DataFrame(rows, columns=["quantity", "layer", "gate", "value"])
    more = more.assign(step=7, epoch=3, model="lstm", seed=0)
    pd.concat([pd.read_parquet(path), more], ignore_index=True).to_parquet(path)


def test_alerts_are_told_in_their_words_once_for_all_networks(copy_of):
    alert = {"seed": 0, "kind": "vanishing", "epoch": 1, "text": "sees 3 of 160 sessions"}
    late = alert | {"seed": 1, "epoch": 4}
    path = copy_of / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    metrics["models"]["lstm"]["alerts"] = [alert]
    metrics["models"]["gru"] = {"alerts": [alert]}
    metrics["models"]["keras-lstm"] = {"alerts": [late], "seeds": 2}
    path.write_text(json.dumps(metrics), encoding="utf-8")
    (said,) = alerts(RunFolder(copy_of))
    assert said.lines[1:] == [
        "lstm and gru: vanishing, epoch 1: sees 3 of 160 sessions.",
        "keras-lstm seed 1: vanishing, epoch 4: sees 3 of 160 sessions.",
    ]


def test_without_alerts_nothing_is_said(run):
    assert list(alerts(RunFolder(run))) == []


def test_every_measure_of_the_gates_that_there_is_has_its_chart(copy_of):
    add(copy_of, ("gate_shut", "recurrent", "forget", 0.1))
    (picture,) = gates(RunFolder(copy_of))
    assert [title for title, _ in picture.charts] == ["mean", "saturated", "shut (below 0.1)"]


def test_the_kept_network_is_a_mark_apart_from_the_epochs(copy_of):
    path = copy_of / "telemetry.parquet"
    rows = [
        (6, epoch, "lstm", 0, "recurrent", "gate_mean", "forget", value)
        for epoch, value in ((0, 0.7), (1, 0.75), (2, 0.8))
    ]
    names = ["step", "epoch", "model", "seed", "layer", "quantity", "gate", "value"]
    pd.DataFrame(rows, columns=names).assign(lag_sessions=None).to_parquet(path)
    (picture,) = gates(RunFolder(copy_of))
    ((_, chart),) = picture.charts
    line, mark = (glyph.data_source.data for glyph in chart.renderers)
    assert (list(line["x"]), list(line["y"])) == ([0, 1], [0.7, 0.75])
    assert list(mark["y"]) == [0.8]
    assert chart.xaxis.major_label_overrides == {mark["x"][0]: "kept"}


def test_gates_are_those_of_one_network(copy_of):
    path = copy_of / "telemetry.parquet"
    found = pd.read_parquet(path)
    other = found[found["quantity"] == "gate_mean"].assign(model="keras-lstm", value=0.1)
    pd.concat([found, other], ignore_index=True).to_parquet(path)
    (picture,) = gates(RunFolder(copy_of))
    drawn = picture.charts[0][1].renderers
    assert {value for glyph in drawn for value in glyph.data_source.data["y"]} == {0.7}
    assert picture.title == "Gates of lstm"


def test_the_threshold_of_the_clipping_is_in_the_picture(copy_of):
    ((_, chart),) = next(norms(RunFolder(copy_of))).charts
    (level,) = (span.location for span in chart.center if isinstance(span, Span))
    assert chart.y_range.start < level < chart.y_range.end


def test_the_loss_of_the_ewma_t_is_a_level_in_the_picture_of_the_losses(copy_of):
    def levels():
        ((_, chart),) = next(losses(RunFolder(copy_of))).charts
        return [span.location for span in chart.center if isinstance(span, Span)]

    path = copy_of / "metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    assert levels() == []
    metrics["models"]["lstm"]["ewma_t_validation_crps"] = 0.61
    path.write_text(json.dumps(metrics), encoding="utf-8")
    assert levels() == [0.61]


def test_the_gradient_by_lag_is_drawn_for_the_cell_beside_the_hidden_state(copy_of):
    path = copy_of / "telemetry.parquet"
    found = pd.read_parquet(path)
    states = found[found["quantity"] == "state_gradient_norm"]
    cells = states.assign(quantity="cell_gradient_norm", value=2.0)
    pd.concat([found, cells], ignore_index=True).to_parquet(path)
    picture = next(lags(RunFolder(copy_of)))
    assert [title.partition(":")[0] for title, _ in picture.charts] == ["∂L/∂c", "∂L/∂h"]
    found.to_parquet(path)  # as of a simple RNN
    picture = next(lags(RunFolder(copy_of)))
    assert [title.partition(":")[0] for title, _ in picture.charts] == ["∂L/∂h"]
