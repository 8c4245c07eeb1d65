import re

import numpy as np
import pytest

from forecast.jobs.growth import BEGIN, END, Growth, Job, extrapolated, fit, publish, told

TRUE = Growth(4.0, 6.0, 0.02, 0.5, 0.001)
JOBS = [Job(p, n, k) for p in (1, 2) for n in (2, 4) for k in (20, 100)]


def own(job):
    """Seconds of the process that asks."""
    return job.networks * (TRUE.here + TRUE.here_per_ticker * job.tickers)


@pytest.fixture
def result():
    rows = [
        {"engine": name, **job._asdict(), "seconds": TRUE.seconds(job)}
        for name in ("local", "ray")
        for job in JOBS
    ]
    return {
        "measured": rows,
        "start_seconds": {"local": 5.0, "ray": 9.0},
        "growth": {"local": list(TRUE), "ray": list(TRUE)},
        "worst_error": {"local": 0.01, "ray": 0.02},
        "worker_mb": {"20": 500.0, "400": 1_234.0},
        "panel_mb_per_ticker": 0.1,
        **{"sessions": 2500, "cores": 2, "network_units": 8, "epochs": 3, "steps": 20},
        "rounds": 2,
        "seconds": 200.0,
    }


def test_the_parts_of_the_time_are_found_again():
    growth, error = fit(JOBS, [TRUE.seconds(job) for job in JOBS], [own(job) for job in JOBS])
    np.testing.assert_allclose(growth, TRUE, rtol=1e-6)
    assert error < 1e-8


def test_a_model_that_cannot_be_true_of_the_times_is_told_by_its_error():
    times = [TRUE.seconds(job) for job in JOBS]
    times[3] *= 2
    assert fit(JOBS, times, [own(job) for job in JOBS])[1] > 0.2


def test_no_number_of_processes_helps_beyond_what_one_process_does_alone():
    for tickers in (0, 500):
        times = [TRUE.seconds(Job(p, 10**6, tickers)) for p in (1, 10**6)]
        assert times[0] / times[1] == pytest.approx(TRUE.most(tickers), rel=1e-3)
    assert Growth(1, 1, 0, 0, 0).most(500) == float("inf")


def test_speed_up_is_over_one_process_of_the_same_engine_and_job(result):
    titles, rows = told(result)
    cells = [dict(zip(titles, row, strict=True)) for row in rows]
    for cell in cells:
        job = Job(1, int(cell["networks"]), int(cell["tickers"]))
        expected = TRUE.seconds(job) / TRUE.seconds(job._replace(processes=int(cell["processes"])))
        assert float(cell["speed-up"]) == pytest.approx(expected, abs=0.006)


def test_what_is_sent_grows_with_machines_and_tickers(result):
    titles, rows = extrapolated(result)
    last = dict(zip(titles, rows[-1], strict=True))
    assert (last["tickers"], last["machines"]) == ("50,000", "100")
    assert float(last["shipping (min)"]) == pytest.approx(99 * 50_000 * 1e-4 / 0.125 / 60, abs=0.05)
    assert float(rows[0][-1]) == 0


def test_the_marked_part_of_a_page_is_written_and_the_rest_stays(result, tmp_path):
    page = tmp_path / "clusters.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    publish(result, page)
    publish(result, page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert text.count("Extrapolated, not measured") == 1
    assert re.search(r"\| 50,000 \| 100 \| 200 \|", text)
    assert "- A worker held at most 500 MB at 20 tickers and 1,234 MB at 400 tickers; " in text
    assert (tmp_path / "clusters" / "engine.json").is_file()
