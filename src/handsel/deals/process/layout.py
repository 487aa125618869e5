"""Where the boxes and lines of a drawing go: a small layered layout, after Sugiyama.

Boxes stand in rows by their longest way from the beginning. A line that skips rows has a place of
its own in each of them, and so has its label, which stands in a row between two rows of boxes: so
nothing can lie on anything else. Orders are found by barycentres, abscissae by least squares. Pure
and deterministic; lengths are pixels, y grows downwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from handsel.deals.process.ordering import abscissae, order_rows
from handsel.deals.process.ranking import SPACE, Link, Size, gaps_of, label_rows, ranks_of

#: Above and below a row, at least and at most; between two ends of lines at a box.
_LEAST, _MOST = 15.0, 58.0
_PORT = 13.0


@dataclass(frozen=True, slots=True)
class Route:
    """A link's place: ``lines`` of points (each pair a straight piece, curves between the pairs,
    the last line ends at the target), and the upper left corner of the label."""

    lines: list[list[tuple[float, float]]]
    label: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """``boxes``: upper left corner and width; ``routes`` in the order of the links."""

    boxes: dict[str, tuple[float, float, float]]
    routes: list[Route]
    height: float


@dataclass(slots=True)
class Node:
    """Something in a row: a box, a label, or where a line passes. ``x`` is the line's, or the
    middle of the box; ``left`` and ``right`` say how far it reaches from there."""

    left: float
    right: float
    height: float = 0.0
    box: str = ""
    x: float = 0.0


@dataclass(slots=True)
class Graph:
    """Rows of nodes, and the steps between nodes of neighbouring rows, downwards."""

    nodes: list[Node] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)

    def add(self, row: int, node: Node) -> int:
        """The number of the new node."""
        self.nodes.append(node)
        self.rows[row].append(len(self.nodes) - 1)
        return len(self.nodes) - 1

    def pull(self, start: int, end: int, first: int, last: int) -> list[int]:
        """A line from ``start`` in row ``first`` to ``end`` in row ``last``: its nodes."""
        way = [start, *(self.add(row, Node(0, 0)) for row in range(first + 1, last)), end]
        self.steps += pairwise(way)
        return way


def lay_out(
    boxes: Mapping[str, Size],
    links: Sequence[Link],
    order: Sequence[tuple[str, str]],
    width: float,
) -> Layout:
    """Place the boxes (the first is the beginning) and links within ``width``; ``order`` says which
    box stands above which."""
    ranks = ranks_of(boxes, order, width)
    gaps = [gaps_of(link, ranks) for link in links]
    shelves, row_of, count = label_rows(links, gaps, max(ranks.values()), width)
    graph = Graph(rows=[[] for _ in range(count)])
    at = {
        name: graph.add(
            row_of[ranks[name]], Node(size.width / 2, size.width / 2, size.height, name)
        )
        for name, size in boxes.items()
    }
    ways = [_ways(graph, at, link, row_of, ranks, shelves[n]) for n, link in enumerate(links)]
    order_rows(graph.rows, graph.steps)
    ports = _ports(graph)
    abscissae(graph.rows, graph.steps, graph.nodes, ports, SPACE, width)
    tops, heights = _ordinates(graph, ports)
    routes = [
        _route(graph, way, ports, tops, heights, up=link.up)
        for way, link in zip(ways, links, strict=True)
    ]
    placed = {
        name: (graph.nodes[k].x - graph.nodes[k].left, tops[k], 2 * graph.nodes[k].left)
        for name, k in at.items()
    }
    return Layout(placed, routes, max(tops[k] + heights[k] for k in tops))


def _ways(
    graph: Graph,
    at: Mapping[str, int],
    link: Link,
    row_of: Sequence[int],
    ranks: Mapping[str, int],
    shelf: int,
) -> list[list[int]]:
    """The nodes of each of the link's lines, downwards; the label's node is the joint of all."""
    label = graph.add(shelf, Node(6, link.label.width + 10, link.label.height))
    goal = at[link.target], row_of[ranks[link.target]]
    ends = [(at[s], row_of[ranks[s]]) for s in link.sources]
    if link.up:
        tail = graph.pull(goal[0], label, goal[1], shelf)
        return [tail, *(graph.pull(label, k, shelf, row) for k, row in ends)]
    heads = [graph.pull(k, label, row, shelf) for k, row in ends]
    return [*heads, graph.pull(label, goal[0], shelf, goal[1])]


def _ports(graph: Graph) -> dict[tuple[int, int], tuple[float, float]]:
    """Where each step leaves and arrives, measured from the middles: along a box in the order of
    the neighbours, so that no two lines cross there."""
    place = {k: n for row in graph.rows for n, k in enumerate(row)}
    leaving: dict[int, list[tuple[int, int]]] = {}
    arriving: dict[int, list[tuple[int, int]]] = {}
    for step in graph.steps:
        leaving.setdefault(step[0], []).append(step)
        arriving.setdefault(step[1], []).append(step)
    offsets: dict[tuple[int, int], list[float]] = {step: [0.0, 0.0] for step in graph.steps}
    for side, steps_of in enumerate((leaving, arriving)):
        for k, steps in steps_of.items():
            if not graph.nodes[k].box:
                continue
            steps.sort(key=lambda step: place[step[1 - side]])
            needed = _PORT * (len(steps) + 1) / 2
            graph.nodes[k].left = graph.nodes[k].right = max(graph.nodes[k].left, needed)
            apart = 2 * graph.nodes[k].left / (len(steps) + 1)
            for n, step in enumerate(steps):
                offsets[step][side] = (n + 1 - (len(steps) + 1) / 2) * apart
    return {step: (out, into) for step, (out, into) in offsets.items()}


def _ordinates(
    graph: Graph, ports: Mapping[tuple[int, int], tuple[float, float]]
) -> tuple[dict[int, float], dict[int, float]]:
    """(the top of each node's row, the height of the row). The further a line goes to the side, the
    more room there is for its curve."""
    row_of = {k: n for n, row in enumerate(graph.rows) for k in row}
    widest = [0.0] * len(graph.rows)
    for (a, b), (out, into) in ports.items():
        aside = abs(graph.nodes[a].x + out - graph.nodes[b].x - into)
        widest[row_of[b]] = max(widest[row_of[b]], aside)
    tops, heights, y = {}, {}, 0.0
    for n, row in enumerate(graph.rows):
        if n:
            y += min(_MOST, _LEAST + widest[n] * 0.11)
        height = max(graph.nodes[k].height for k in row)
        for k in row:
            tops[k], heights[k] = y, height
        y += height
    return tops, heights


def _route(
    graph: Graph,
    ways: Sequence[Sequence[int]],
    ports: Mapping[tuple[int, int], tuple[float, float]],
    tops: Mapping[int, float],
    heights: Mapping[int, float],
    *,
    up: bool,
) -> Route:
    lines = []
    for way in ways:
        points: list[tuple[float, float]] = []
        for a, b in pairwise(way):
            out, into = ports[a, b]
            upper = tops[a] + (graph.nodes[a].height if graph.nodes[a].box else 0)
            points += [
                (graph.nodes[a].x + out, upper),
                (graph.nodes[a].x + out, tops[a] + heights[a]),
                (graph.nodes[b].x + into, tops[b]),
            ]
            points.append(points[-1])
        lines.append(points)
    joint = ways[0][-1]
    corner = graph.nodes[joint].x + 10, tops[joint]
    if up:
        lines = [list(reversed(line)) for line in reversed(lines)]
    return Route(lines, corner)
