"""What a section of the report is made of; `kind` tells the template how to set it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Picture:
    """One chart, or several small ones side by side, with a sentence how to read it."""

    name: str
    title: str
    how: str
    alt: str
    charts: Sequence[tuple[str, Any]]  # title of each small chart, Bokeh model
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Fans:
    """The chart of forecasts with its controls; `packed` is what `pack_fans` returns."""

    name: str
    title: str
    how: str
    alt: str
    fan: Any  # charts.fans.Fan
    packed: dict[str, Any]
    kind: ClassVar[str] = "fans"


@dataclass(frozen=True)
class Table:
    """A table of text; the columns `left` hold words, the others numbers."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[int] = (0,)
    folded: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Tiles:
    """The few numbers that matter most: value, what it is, what it is measured against."""

    rows: Sequence[tuple[str, str, str]]
    kind: ClassVar[str] = "tiles"


@dataclass(frozen=True)
class Text:
    """A paragraph, or a list when there are several lines."""

    lines: Sequence[str]
    title: str = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Code:
    """Text to be copied as it is."""

    text: str
    title: str = ""
    folded: bool = False
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Gap:
    """Something that is missing or broken, and why."""

    why: str
    kind: ClassVar[str] = "gap"


@dataclass(frozen=True)
class Section:
    """A heading, a sentence and its parts."""

    name: str
    title: str
    intro: str
    parts: list[Any] = field(default_factory=list)
