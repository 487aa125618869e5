"""The drawings: nothing lies on anything else, all of it has a title, and the docs show what is."""

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from handsel.deals.orders.registry import processes
from handsel.deals.process.definition import Process
from handsel.deals.process.drawing import WIDTH, draw
from handsel.deals.process.layout import lay_out
from handsel.deals.process.ranking import Link, Size
from handsel.front.cli.processes import shipped, shown

DOCS = Path(__file__).parents[3] / "docs"
SVG = "{http://www.w3.org/2000/svg}"
PROCESSES = [pytest.param(p, id=f"{p.name}@{p.version}") for p in shipped().values()]
Rect = tuple[float, float, float, float]


def parsed(process: Process) -> Xml.Element:
    """The drawing's elements."""
    return Xml.fromstring(draw(process))  # noqa: S314 - our own text


def apart(a: Rect, b: Rect) -> bool:
    """Two rectangles (left, top, right, bottom) share no point."""
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def boxes(drawing: Xml.Element) -> dict[str, Rect]:
    """The outer rectangle of each state."""
    found = {}
    for group in drawing.iterfind(f"{SVG}g/{SVG}g"):
        rect = group.find(f"{SVG}rect")
        if rect is not None:
            x, y, width, height = (float(rect.attrib[n]) for n in ("x", "y", "width", "height"))
            name = str(group.findtext(f"{SVG}text"))
            found[name] = (x, y, x + width, y + height)
    return found


def labels(drawing: Xml.Element) -> list[Rect]:
    """About where each text beside a line is: 13 pixels high, 5.5 a letter at the least."""
    groups = [g for g in drawing.iterfind(f"{SVG}g/{SVG}g") if g.find(f"{SVG}rect") is None]
    found = []
    for text in (text for group in groups for text in group.iterfind(f"{SVG}text")):
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        found.append((x, y - 9, x + 5.5 * len(str(text.text)), y + 2))
    return found


@pytest.mark.parametrize("process", PROCESSES)
def test_nothing_lies_on_anything_else_and_all_fits_the_page(process: Process) -> None:
    drawing = parsed(process)

    states, texts = boxes(drawing), labels(drawing)

    assert set(states) == set(process.states)
    assert float(drawing.attrib["width"]) == WIDTH
    everything = [*states.values(), *texts]
    assert [(a, b) for a, b in combinations(everything, 2) if not apart(a, b)] == []
    assert min(r[0] for r in everything) >= 0
    assert max(r[2] for r in everything) <= WIDTH - 48
    around = [(float(t.attrib["x"]), str(t.text)) for t in drawing.iterfind(f"{SVG}text")]
    assert max(x + 7 * len(text) for x, text in around) <= WIDTH


@pytest.mark.parametrize("process", PROCESSES)
def test_every_state_and_transition_is_told_to_those_who_hear_it(process: Process) -> None:
    drawing = parsed(process)

    titles = [str(title.text) for title in drawing.iter(f"{SVG}title")]

    assert titles[0].startswith(f"The process {process.name}@{process.version}: ")
    for name, state in process.states.items():
        mine = [title for title in titles if re.match(rf"{name}(;|$)", title)]
        assert len(mine) == 1
        said = mine[0].split("; ")
        assert ("money is held" in said, "an end" in said) == (state.funded, state.terminal)
    for t in process.transitions:
        assert any(title.startswith(f"{t.name}, by {' or '.join(t.actors)}") for title in titles)


def test_the_same_process_is_drawn_the_same() -> None:
    process = processes()["service", 2]

    assert draw(process) == draw(process)


@pytest.mark.parametrize("process", shown(), ids=lambda p: p.name)
def test_the_docs_show_what_is_drawn_now(process: Process) -> None:
    """Run ``handsel process draw --out docs/processes`` after a change."""
    file = DOCS / "processes" / f"{process.name}.svg"

    assert file.read_text() == draw(process)
    assert f"](processes/{file.name})" in (DOCS / "processes.md").read_text()


def test_the_docs_show_nothing_else() -> None:
    kept = {f"{p.name}.svg" for p in shown()}

    assert {file.name for file in (DOCS / "processes").iterdir()} == kept


def test_what_does_not_fit_beside_each_other_stands_in_rows() -> None:
    many = [f"end{n}" for n in range(14)]
    sizes = {name: Size(120, 30) for name in ("start", *many)}
    links = [Link(("start",), name, Size(150, 15)) for name in many]

    layout = lay_out(sizes, links, [("start", name) for name in many], 950)

    found = [(x, y, x + width, y + 30) for x, y, width in layout.boxes.values()]
    found += [(x, y, x + 150, y + 15) for x, y in (route.label for route in layout.routes)]
    assert all(apart(a, b) for a, b in combinations(found, 2))
    assert all(r[0] >= 0 and r[2] <= 950 for r in found)


def test_a_way_back_is_drawn_upwards() -> None:
    sizes = {name: Size(100, 30) for name in ("offer", "counter", "end")}
    links = [
        Link(("offer",), "counter", Size(40, 15)),
        Link(("counter",), "offer", Size(40, 15), up=True),
        Link(("counter",), "end", Size(40, 15)),
    ]

    layout = lay_out(sizes, links, [("offer", "counter"), ("counter", "end")], 900)

    tops = {name: y for name, (_, y, _) in layout.boxes.items()}
    assert tops["offer"] < tops["counter"] < tops["end"]
    first, last = layout.routes[1].lines[0][0], layout.routes[1].lines[-1][-1]
    assert first[1] == tops["counter"]
    assert last[1] == tops["offer"] + 30
