"""What the figures look like: a table of 80 columns, JSON, and a plot as SVG."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.figure import Figure

HEAD = ("figure", "ours", "goal", "", "peer", "ratio")
WIDTHS = (37, 9, 8, 3, 9, 7)
BAR_PIXELS, ROW_PIXELS, LABEL_PIXELS, NAME_PIXELS = 300, 44, 260, 250
FONT = 'font-family="sans-serif" font-size="12"'
EXAMPLES_OF_SAMPLES = 2000


def line(figure: Figure) -> str:
    """One row of the table."""
    peer = "-" if figure.peer_value is None else number(figure.peer_value)
    ratio = "-" if figure.ratio is None else f"{number(figure.ratio)}x"
    cells = (
        f"{figure.name}, {figure.unit}",
        number(figure.our_value),
        number(figure.goal),
        "ok" if figure.met else "no",
        peer,
        ratio,
    )
    return row(cells)


def head() -> str:
    """The table's first line."""
    return row(HEAD)


def row(cells: Sequence[str]) -> str:
    """Cells in their columns; the first to the left, the others to the right."""
    first, *others = zip(cells, WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}.{first[1]}}" + "".join(f" {cell:>{w}}" for cell, w in others)


def number(value: float) -> str:
    """Three significant digits, thousands without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write(figures: Sequence[Figure], facts: Mapping[str, Any], directory: Path) -> None:
    """Write `figures.json` with all samples (thinned), and `figures.svg`."""
    directory.mkdir(parents=True, exist_ok=True)
    known = {"machine": dict(facts), "figures": [as_json(one) for one in figures]}
    (directory / "figures.json").write_text(json.dumps(known, indent=1))
    (directory / "figures.svg").write_text(plot(figures))


def as_json(figure: Figure) -> dict[str, Any]:
    """All that is known of a figure."""
    step = max(1, len(figure.ours) // EXAMPLES_OF_SAMPLES)
    known = asdict(figure) | {"ours": list(figure.ours)[::step], "peer": list(figure.peer)}
    known |= {"our_value": figure.our_value, "peer_value": figure.peer_value}
    return known | {"ratio": figure.ratio, "met": figure.met}


def plot(figures: Sequence[Figure]) -> str:
    """Two bars a figure, ours and the peer's, each figure on its own scale."""
    height = ROW_PIXELS * len(figures) + 20
    width = LABEL_PIXELS + BAR_PIXELS + NAME_PIXELS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {FONT}>',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for at, figure in enumerate(figures):
        parts.extend(_bars(figure, 10 + at * ROW_PIXELS))
    return "\n".join([*parts, "</svg>"])


def _bars(figure: Figure, top: int) -> list[str]:
    values = [("ours", figure.our_value, "#1f6f8b")]
    if figure.peer_value is not None:
        values.append((figure.peer_name, figure.peer_value, "#b0b0b0"))
    longest = max(value for _, value, _ in values) or 1
    parts = [f'<text x="8" y="{top + 14}">{escape(f"{figure.name}, {figure.unit}")}</text>']
    for nth, (who, value, colour) in enumerate(values):
        y = top + nth * 17
        width = max(1.0, BAR_PIXELS * value / longest)
        parts.append(
            f'<rect x="{LABEL_PIXELS}" y="{y}" width="{width:.1f}" height="13" fill="{colour}"/>'
        )
        parts.append(
            f'<text x="{LABEL_PIXELS + width + 5:.1f}" y="{y + 11}">{escape(f"{who} {number(value)}")}</text>'
        )
    return parts
