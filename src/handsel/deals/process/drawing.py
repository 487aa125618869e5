"""A process as a picture: SVG that needs nothing else, for light and dark pages.

States are boxes (held money: filled; an end: a double border), transitions are lines whose labels
say the name, who makes it (colour and dash) and when the system does. What leads from many states
to the same one is no bundle of lines but a number: in a ring where it leaves, filled where it
arrives. Every element has a title.
"""

from collections.abc import Mapping

from handsel.deals.process.definition import Process, Transition
from handsel.deals.process.layout import lay_out
from handsel.deals.process.ranking import Link, leading_back
from handsel.deals.process.shapes import (
    actor_text,
    box_size,
    colour,
    label,
    label_size,
    line,
    note,
    state_box,
)
from handsel.deals.process.signs import STYLE, legend

WIDTH = 1000.0
_NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
_MARGIN, _TOP, _NOTE = 24.0, 90.0, 21.0
_EXPLAINED = '<text class="q" x="{x:g}" y="{y:.0f}">From each state that has the number:</text>'
#: From so many states on, a transition is a number.
_MANY = 4


def draw(process: Process) -> str:
    """The process as one SVG document of about 1000 pixels in width."""
    numbers = _numbers(process)
    links, order = _links(process, numbers)
    layout = lay_out(
        {name: box_size(process, name, numbers) for name in _from_the_beginning(process)},
        [link for link, _ in links],
        order,
        WIDTH - 2 * _MARGIN,
    )
    right = max(x + w for x, _, w in layout.boxes.values())
    width, below = max(WIDTH, right + 2 * _MARGIN), _TOP + layout.height + 30
    height = below + _NOTE * (len(numbers) + bool(numbers)) + 44
    size, box = f"{width:g} {height:.0f}", f'width="{width:g}" height="{height:.0f}"'
    name = f"{process.name}@{process.version}"
    told = f"{len(process.states)} states, {len(process.transitions)} transitions"
    routes = [(route, moves) for route, (_, moves) in zip(layout.routes, links, strict=True)]
    listed = [t for t in process.transitions if t.name in numbers]
    return "\n".join(
        [
            f'<svg {_NAMESPACE} viewBox="0 0 {size}" {box} role="img" aria-labelledby="t">',
            f'<title id="t">The process {name}: {told}</title><style>{STYLE}</style>',
            f'<rect class="p" {box} rx="10"/>',
            f'<text class="h" x="{_MARGIN:g}" y="33">{name}</text>',
            f'<text class="q" x="{_MARGIN:g}" y="52">{told}</text>',
            f'<g transform="translate({_MARGIN:g} {_TOP:g})">',
            *(line(route, moves) for route, moves in routes),
            *(label(route, moves) for route, moves in routes),
            *(state_box(process, name, layout.boxes[name], numbers) for name in process.states),
            "</g>",
            _EXPLAINED.format(x=_MARGIN, y=below) if numbers else "",
            *(
                note(t, numbers[t.name], _MARGIN, below + _NOTE * (n + 1))
                for n, t in enumerate(listed)
            ),
            legend(_actors(process, links), _holds(process), _MARGIN, height - 24),
            "</svg>\n",
        ]
    )


def _from_the_beginning(process: Process) -> list[str]:
    return [process.initial, *(name for name in process.states if name != process.initial)]


def _numbers(process: Process) -> dict[str, int]:
    """The transitions from many states, numbered."""
    many = [
        t.name
        for t in process.transitions
        if sum(t.target(source) != source for source in t.source) >= _MANY
    ]
    return {name: n + 1 for n, name in enumerate(many)}


def _links(
    process: Process, numbers: Mapping[str, int]
) -> tuple[list[tuple[Link, list[Transition]]], list[tuple[str, str]]]:
    """(links, which state stands below which). Moves between the same two states share a line, and
    lines that mean the same and lead to the same state are joined (but those that lead back)."""
    pairs: dict[tuple[str, str], list[Transition]] = {}
    for t in process.transitions:
        for source in t.source:
            if t.target(source) != source:
                pairs.setdefault((source, t.to), []).append(t)
    back = leading_back(_from_the_beginning(process), list(pairs))
    joined: dict[tuple[str, ...], tuple[list[str], str, list[Transition], bool]] = {}
    for (source, target), moves in pairs.items():
        drawn = [t for t in moves if t.name not in numbers]
        up = (source, target) in back
        key = (target, source if up else "", *(t.name for t in drawn))
        if drawn:
            joined.setdefault(key, ([], target, drawn, up))[0].append(source)
    links = [
        (Link(tuple(sources), target, label_size(moves), up), moves)
        for sources, target, moves, up in joined.values()
    ]
    return links, [(b, a) if (a, b) in back else (a, b) for a, b in pairs]


def _holds(process: Process) -> bool:
    return any(state.funded for state in process.states.values())


def _actors(process: Process, links: list[tuple[Link, list[Transition]]]) -> dict[str, str]:
    """The colours that are used, and whose they are."""
    whose: dict[str, list[str]] = {kind: [] for kind in ("a", "b", "c", "x", "s")}
    for t in process.transitions:
        if actor_text(t) not in whose[colour(t)]:
            whose[colour(t)].append(actor_text(t))
    found = {kind: ", ".join(names) for kind, names in whose.items() if names}
    shared = any(len({colour(t) for t in moves}) > 1 for _, moves in links)
    return found | ({"y": "several"} if shared else {})
