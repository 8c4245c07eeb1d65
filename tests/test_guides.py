import re
import shlex
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from forecast.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
GUIDES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in PAGES
    if "```python" in path.read_text(encoding="utf-8")
)
#: Scripts that are a command of their name.
FACES = {"train", "evaluate", "predict", "study", "fetch", "check", "explain", "report"}


def commands(page):
    """Every `forecast …` line of the shell blocks of a page, as words."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [part for block in blocks for line in block.splitlines() for part in line.split("&&")]
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[:1] == ["python"] and Path(words[1]).stem in FACES:
            words = ["forecast", Path(words[1]).stem, *words[2:]]
        if words[:1] == ["forecast"]:
            yield words[1:]


@pytest.fixture
def short_trainings(monkeypatch):
    """Let networks take two steps an epoch, whatever a guide's settings say; none looks inside."""
    from forecast.training import NeuralForecaster

    def fit(self, panel, until):
        short = {"steps_per_epoch": 2, "telemetry": "off"}
        self.settings = self.settings.model_copy(update=short)
        return real(self, panel, until)

    real = NeuralForecaster.fit
    monkeypatch.setattr(NeuralForecaster, "fit", fit)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_python_block_of_a_guide_runs(guide, tmp_path, monkeypatch, short_trainings):
    monkeypatch.chdir(tmp_path)
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / guide)
    examples = list(document.examples())
    assert examples
    for example in examples:
        example.evaluate()


@pytest.mark.parametrize(
    "words", [words for page in PAGES for words in commands(page)], ids=" ".join
)
def test_every_command_of_a_guide_is_one_that_there_is(words):
    import forecast.cli  # noqa: F401  (adds the commands)

    function, bound, _ = app.parse_args(words, print_error=False, exit_on_error=False)
    assert callable(function)
    assert bound is not None


def test_every_link_of_a_guide_leads_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"
