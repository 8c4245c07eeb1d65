"""From a run folder to one HTML file that needs nothing else."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from bokeh.embed import json_item
from bokeh.plotting import figure
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from forecast import __version__
from forecast.report.charts.fans import Fan
from forecast.report.charts.gates import Stack
from forecast.report.charts.look import take_legend
from forecast.report.parts import Fans, Picture, Section
from forecast.report.reading import RunFolder
from forecast.report.sections import build_sections
from forecast.runs import write_atomic


def write_report(run: Path, path: Path | None = None) -> Path:
    """Write the report of a run to `path` (default: ``report.html`` in its folder); return it."""
    path = path or run / "report.html"
    write_atomic(path, build_report(run))
    return path


def build_report(run: Path) -> str:
    """Return the report of a run as one HTML page: no network, no other file.

    What the run folder lacks, or holds in a form that cannot be read, is named in its place.
    """
    folder = RunFolder(run)
    sections = build_sections(folder)
    packed = [part.packed for section in sections for part in section.parts if part.kind == "fans"]
    return _render(
        "report.html",
        dict(_charts(sections)),
        fans=packed[0] if packed else None,
        name=folder.name,
        version=__version__,
        sections=sections,
    )


def build_chart(fan: Fan, alt: str) -> str:
    """Return one fan chart as an HTML page of its own; `alt` describes it in words."""
    return _render("chart.html", {"fan": (fan.chart, fan.layout)}, fans=None, alt=alt)


def _render(template: str, drawn: dict[str, Any], fans: dict[str, Any] | None, **more: Any) -> str:
    """Fill a template with charts (name: figure, layout), scripts and style."""
    scripts = [_bokeh(), _text("report.js")]
    environment = Environment(
        loader=PackageLoader("forecast.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    legends = {name: take_legend(chart) for name, (chart, _) in drawn.items()}
    items = [json_item(layout, f"chart-{name}") for name, (_, layout) in drawn.items()]
    return environment.get_template(template).render(
        legends=legends,
        charts=_json(items),
        fans=_json(fans),
        style=Markup(_text("report.css")),
        scripts=[Markup(script) for script in scripts],
        hashes=[_hash(script) for script in scripts],
        **more,
    )


def _charts(sections: list[Section]) -> Iterator[tuple[str, tuple[figure, Any]]]:
    """Name, figure and layout of every chart, in the order of the page."""
    for section in sections:
        for part in section.parts:
            if isinstance(part, Picture):
                for place, (_, chart) in enumerate(part.charts):
                    both = (chart.chart, chart.layout) if isinstance(chart, Stack) else (chart,) * 2
                    yield f"{part.name}-{place}", both
            elif isinstance(part, Fans):
                yield part.name, (part.fan.chart, part.fan.layout)


def _json(content: Any) -> Markup:
    """JSON that can stand in a script element: no sign of HTML in it."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _bokeh() -> str:
    """BokehJS itself, without widgets, tables, WebGL and mathematics."""
    parts = Resources(mode="inline", components=["bokeh"], log_level="error").js_raw
    return "\n".join(parts).replace("\r\n", "\n")


def _text(name: str) -> str:
    return files("forecast.report").joinpath("page", name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """What the page's security policy knows a script by: nothing else may run."""
    return "sha256-" + b64encode(hashlib.sha256(script.encode()).digest()).decode()
