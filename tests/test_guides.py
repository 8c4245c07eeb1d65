from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parents[1]
GUIDES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    if "```python" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_python_block_of_a_guide_runs(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / guide)
    examples = list(document.examples())
    assert examples
    for example in examples:
        example.evaluate()
