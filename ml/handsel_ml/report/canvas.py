"""The canvas of the pictures: inline SVG by matplotlib's object API, coloured by the page.

Colours are stand-ins that become CSS variables, so that one picture serves light, dark and print;
text stays text in the page's own font. Same findings, same bytes: no dates, salted ids.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handsel_ml.report.numbers import percent

INK, MUTED, LINE = "#010203", "#020304", "#030405"
OURS, OTHER, GOOD, BAD = "#040506", "#050607", "#060708", "#070809"
STEADY, WARNING, ALARM, PAPER = "#08090a", "#090a0b", "#0a0b0c", "#0b0c0d"
_VARIABLES = {
    INK: "ink", MUTED: "muted", LINE: "line", OURS: "ours", OTHER: "other", GOOD: "good",
    BAD: "bad", STEADY: "steady", WARNING: "warn", ALARM: "alert", PAPER: "paper",
}  # fmt: skip
_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "handsel", "font.size": 9, "axes.titlesize": 9,
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": LINE, "xtick.color": MUTED,
    "ytick.color": MUTED, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": LINE, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "xtick.major.size": 0, "ytick.major.size": 0, "legend.frameon": False,
    "lines.linewidth": 1.8, "lines.solid_capstyle": "round", "path.simplify": False,
}  # fmt: skip
WIDE, HIGH = 4.8, 3.3
_LETTER = 4.9  # points that a letter of a bar's name takes, about


def draw(
    name: str,
    label: str,
    paint: Callable[[Axes], None],
    height: float = HIGH,
    names: Sequence[str] = (),
) -> str:
    """One picture as an `<svg>` element; `name` keeps its ids apart, `label` is read aloud.

    `names` are what stands at the left of bars: room for them is made by their length, since
    measuring text would take as long as drawing it.
    """
    left = _LETTER * max(map(len, names)) + 10 if names else 46
    right, top = (36, 18) if names else (19, 8)
    wide, high = 72 * WIDE, 72 * height
    with mpl.rc_context(_STYLE):
        canvas = Figure(figsize=(WIDE, height))
        canvas.subplots_adjust(left / wide, 36 / high, 1 - right / wide, 1 - top / high)
        paint(canvas.add_subplot())
        out = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        canvas.savefig(out, format="svg", transparent=True, metadata=nothing)
    return _inline(out.getvalue(), name, label)


def _inline(svg: str, name: str, label: str) -> str:
    """What HTML does not need is dropped; ids get a prefix, colours become variables."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--font)", svg)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>',
                 rf'<svg viewBox="\1" role="img" aria-label="{label}">', svg, count=1)  # fmt: skip
    return re.sub(r"\n\s*", "\n", svg).strip()


def as_percent(axes: Axes, which: str, places: int = 0) -> None:
    """Per cent on the axes of these names."""
    for name in which:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(lambda value, _: percent(value, places))


def at_bars(axes: Axes, values: Sequence[float], texts: Sequence[str]) -> None:
    """Write each bar's value at its end."""
    for i, (value, text) in enumerate(zip(values, texts, strict=True)):
        axes.annotate(text, (value, i), xytext=(4, 0), textcoords="offset points", va="center",
                      fontsize=8)  # fmt: skip
    axes.margins(x=0.12)
