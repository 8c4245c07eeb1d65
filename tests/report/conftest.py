import shutil
from pathlib import Path

import pytest

from forecast.report import write_report


@pytest.fixture(scope="session")
def run(make_run):
    """The run most tests read; copy it before changing it."""
    return make_run(notes=["AAA 2001-01-02: large step: taken as real"])


@pytest.fixture(scope="session")
def page(run):
    """Its report."""
    return write_report(run)


@pytest.fixture
def copy_of(run, tmp_path):
    """A copy of the run that a test may spoil."""
    return Path(shutil.copytree(run, tmp_path / "small"))
