"""The parts of a drawing of a process: boxes, lines, labels and notes, as SVG."""

from collections.abc import Iterable, Mapping
from html import escape
from itertools import pairwise

from handsel.deals.process.definition import Process, Transition
from handsel.deals.process.layout import Route
from handsel.deals.process.ranking import Size
from handsel.deals.process.signs import beginning, bolt, clock, loop, mark, wide

_LINE, _SMALL, _MARK = 15.0, 13.0, 20.0
#: Who moves: the class of the colour. Others share one more, and so do two together.
COLOURS = {
    "customer": "a", "claimant": "a", "sender": "a",
    "provider": "b", "respondent": "b", "recipient": "b",
    "staff": "c", "system": "s",
}  # fmt: skip


def _staying(process: Process, state: str) -> list[Transition]:
    return [t for t in process.leaving(state) if t.target(state) == state]


def _marks(
    process: Process, name: str, numbers: Mapping[str, int]
) -> list[tuple[Transition, bool]]:
    """The numbers at a state: the transition, and whether it arrives here."""
    listed = [t for t in process.transitions if t.name in numbers]
    leaving = [(t, False) for t in listed if name in t.source and t.target(name) != name]
    return leaving + [(t, True) for t in listed if t.target("") == name]


def box_size(process: Process, name: str, numbers: Mapping[str, int]) -> Size:
    """How large the box of a state is."""
    waits = process.states[name].waits_for
    marks = _marks(process, name, numbers)
    lines = [wide(name) * 1.08, wide(f"waits for {waits}") * 0.88 if waits else 0]
    lines += [wide(t.name) + 16 for t in _staying(process, name)]
    lines += [len(marks) * _MARK - 10]
    rows = 1 + bool(waits) + len(_staying(process, name))
    return Size(max(lines) + 26, 17 + rows * _LINE + (19 if marks else 0))


def _whens(move: Transition) -> list[str]:
    return list(move.at) or ([f"on {move.on}"] if move.on else [])


def label_size(moves: Iterable[Transition]) -> Size:
    """How large the label of a line is."""
    widths = [(wide(t.name), *(wide(w) * 0.88 + 15 for w in _whens(t))) for t in moves]
    height = sum(_LINE + _SMALL * (len(rows) - 1) for rows in widths)
    return Size(max(max(rows) for rows in widths), height)


def colour(move: Transition) -> str:
    """The class of the colour of whoever makes the move."""
    return COLOURS.get(move.actors[0], "x") if len(move.actors) == 1 else "x"


def actor_text(move: Transition) -> str:
    """Who may make the move."""
    return " or ".join(move.actors)


def _title(move: Transition) -> str:
    parts = [f"{move.name}, by {actor_text(move)}"]
    parts += [f"at {' or '.join(move.at)}"] if move.at else []
    parts += [f"on {move.on}"] if move.on else []
    parts += [f"if {', '.join(move.guards)}"] if move.guards else []
    parts += [f"money: {move.money}"] if move.money else []
    return escape("; ".join(parts))


def line(route: Route, moves: list[Transition]) -> str:
    """The line of these moves, with its head."""
    classes = {colour(t) for t in moves}
    kind = classes.pop() if len(classes) == 1 else "y"
    drawn = []
    for points in route.lines:
        path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for (ax, ay), (bx, by) in pairwise(points):
            if (ax, ay) == (bx, by):
                continue
            middle = (ay + by) / 2
            path += (
                f"V{by:.1f}"
                if abs(ax - bx) < 0.05
                else (f"C{ax:.1f} {middle:.1f} {bx:.1f} {middle:.1f} {bx:.1f} {by:.1f}")
            )
        drawn.append(f'<path class="l{kind}" d="{path}"/>')
    x, y = route.lines[-1][-1]
    tail = -8 if route.lines[-1][-1][1] > route.lines[0][0][1] else 8
    head = f"M{x:.1f} {y:.1f}l-4 {tail}h8z"
    titles = escape("; ".join(t.name for t in moves))
    return f'<g><title>{titles}</title>{"".join(drawn)}<path class="h{kind}" d="{head}"/></g>'


def label(route: Route, moves: list[Transition]) -> str:
    """What the line says."""
    x, y = route.label
    parts = []
    for move in moves:
        kind = colour(move)
        y += _LINE
        text = f'<text class="{kind}" x="{x:.1f}" y="{y - 4:.1f}">{escape(move.name)}</text>'
        for when in _whens(move):
            y += _SMALL
            icon = clock(x + 5, y - 7.5) if move.at else bolt(x + 5, y - 7.5)
            text += f'{icon}<text class="m" x="{x + 14:.1f}" y="{y - 4:.1f}">{escape(when)}</text>'
        parts.append(f"<g><title>{_title(move)}</title>{text}</g>")
    return "".join(parts)


def state_box(
    process: Process, name: str, place: tuple[float, float, float], numbers: Mapping[str, int]
) -> str:
    """A state; ``place``: upper left corner and width."""
    state = process.states[name]
    x, y, width = place
    height = box_size(process, name, numbers).height
    middle = x + width / 2
    said = [name, "money is held" * state.funded, "an end" * state.terminal, state.promise]
    parts = [f"<g><title>{escape('; '.join(s for s in said if s))}</title>"]
    if name == process.initial:
        parts.append(beginning(middle, y))
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="9"'
    parts.append(f'<rect class="o{" f" * state.funded}" {box}/>')
    if state.terminal:
        inner = f'width="{width - 6:.1f}" height="{height - 6:.1f}" rx="6.5"'
        parts.append(f'<rect class="i" x="{x + 3:.1f}" y="{y + 3:.1f}" {inner}/>')
    y += 21
    centred = f'text-anchor="middle" x="{middle:.1f}"'
    parts.append(f'<text class="n" {centred} y="{y:.1f}">{name}</text>')
    if state.waits_for:
        y += _LINE
        said_by = f"waits for {escape(state.waits_for)}"
        parts.append(f'<text class="m" {centred} y="{y:.1f}">{said_by}</text>')
    for move in _staying(process, name):
        y += _LINE
        parts.append(_stay(move, middle - (wide(move.name) * 0.92 + 16) / 2, y))
    marks = _marks(process, name, numbers)
    for n, (move, arrives) in enumerate(marks):
        at = middle + (n - (len(marks) - 1) / 2) * _MARK
        parts.append(mark(at, y + 15, numbers[move.name], colour(move), filled=arrives))
    return "".join([*parts, "</g>"])


def _stay(move: Transition, x: float, y: float) -> str:
    return (
        f"<g><title>{_title(move)}; the order stays here</title>{loop(x + 5, y - 4, colour(move))}"
        f'<text class="{colour(move)}" x="{x + 15:.1f}" y="{y:.1f}">{move.name}</text></g>'
    )


def note(move: Transition, number: int, x: float, y: float) -> str:
    """What a number means."""
    whens, kind = _whens(move), colour(move)
    parts = [
        f"<g><title>{_title(move)}; from {escape(', '.join(move.source))}</title>",
        mark(x + 8, y - 4, number, kind, filled=False),
        f'<text class="{kind}" x="{x + 24:.0f}" y="{y:.0f}">{escape(move.name)}</text>',
    ]
    x += 24 + wide(move.name) * 1.05 + 8
    text = f"\u2192 {move.to}"
    parts.append(f'<text class="n" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>')
    x += wide(text) * 1.1 + 14
    for when in whens:
        parts.append(clock(x + 5, y - 4) if move.at else bolt(x + 5, y - 4))
        parts.append(f'<text class="m" x="{x + 14:.0f}" y="{y:.0f}">{escape(when)}</text>')
        x += 26 + wide(when) * 0.88
    return "".join([*parts, "</g>"])
