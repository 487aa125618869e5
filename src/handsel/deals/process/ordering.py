"""In which order things stand in the rows of a layered drawing, and where: few crossings, straight
lines."""

from collections.abc import Mapping, Sequence
from typing import Protocol

_SWEEPS = 24
_SETTLING = 60

Step = tuple[int, int]


class Placed(Protocol):
    """What stands in a row."""

    left: float
    right: float
    box: str
    x: float


def order_rows(rows: list[list[int]], steps: Sequence[Step]) -> None:
    """Reorder each row by the barycentres of its neighbours, down and up again; keep the best."""
    above, below = _neighbours(steps)
    best, fewest = [row[:] for row in rows], crossings(rows, steps)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        order = range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1)
        for n in order:
            fixed = rows[n - 1] if downwards else rows[n + 1]
            _by_barycentre(rows[n], fixed, above if downwards else below)
        _exchange(rows, above, below)
        found = crossings(rows, steps)
        if found < fewest:
            best, fewest = [row[:] for row in rows], found
    rows[:] = best


def crossings(rows: Sequence[Sequence[int]], steps: Sequence[Step]) -> int:
    """How many pairs of steps cross."""
    place = {k: (n, i) for n, row in enumerate(rows) for i, k in enumerate(row)}
    by_row: dict[int, list[tuple[int, int]]] = {}
    for a, b in steps:
        by_row.setdefault(place[a][0], []).append((place[a][1], place[b][1]))
    return sum(
        (a - c) * (b - d) < 0
        for pairs in by_row.values()
        for n, (a, b) in enumerate(pairs)
        for c, d in pairs[:n]
    )


def _neighbours(steps: Sequence[Step]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for a, b in steps:
        above.setdefault(b, []).append(a)
        below.setdefault(a, []).append(b)
    return above, below


def _by_barycentre(
    row: list[int], fixed: Sequence[int], neighbours: Mapping[int, Sequence[int]]
) -> None:
    """Sort by the mean place of the neighbours; what has none stays about where it is."""
    place = {k: n / max(len(fixed) - 1, 1) for n, k in enumerate(fixed)}
    own = {k: n / max(len(row) - 1, 1) for n, k in enumerate(row)}

    def mean(k: int) -> float:
        found = [place[n] for n in neighbours.get(k, ())]
        return sum(found) / len(found) if found else own[k]

    row.sort(key=lambda k: (mean(k), own[k]))


def _exchange(
    rows: list[list[int]],
    above: Mapping[int, Sequence[int]],
    below: Mapping[int, Sequence[int]],
) -> None:
    """Exchange neighbours of a row wherever that alone takes a crossing away."""
    for n, row in enumerate(rows):
        up = {k: i for i, k in enumerate(rows[n - 1])} if n else {}
        down = {k: i for i, k in enumerate(rows[n + 1])} if n + 1 < len(rows) else {}
        for i in range(len(row) - 1):
            a, b = row[i], row[i + 1]
            now = _crossed(above, up, a, b) + _crossed(below, down, a, b)
            then = _crossed(above, up, b, a) + _crossed(below, down, b, a)
            if then < now:
                row[i], row[i + 1] = b, a


def _crossed(
    neighbours: Mapping[int, Sequence[int]], place: Mapping[int, int], left: int, right: int
) -> int:
    return sum(
        place[a] > place[b] for a in neighbours.get(left, ()) for b in neighbours.get(right, ())
    )


def abscissae(
    rows: Sequence[Sequence[int]],
    steps: Sequence[Step],
    nodes: Sequence[Placed],
    ports: Mapping[Step, tuple[float, float]],
    space: float,
    width: float,
) -> None:
    """Set every ``x``: near its neighbours', ``space`` apart, within ``width``."""
    pulls: dict[int, list[tuple[int, float, float]]] = {}
    for (a, b), (out, into) in ports.items():
        # A line through empty rows should be straight above all.
        weight = 1.0 + 4.0 * (not nodes[a].box) + 4.0 * (not nodes[b].box)
        pulls.setdefault(a, []).append((b, into - out, weight))
        pulls.setdefault(b, []).append((a, out - into, weight))
    for row in rows:
        _place(row, nodes, [width / 2] * len(row), [1.0] * len(row), space, width)
    for sweep in range(_SETTLING):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wished, weights = [], []
            for k in row:
                near = pulls.get(k, [])
                weight = sum(w for _, _, w in near)
                weights.append(weight or 1.0)
                wished.append(
                    sum((nodes[o].x + shift) * w for o, shift, w in near) / weight
                    if near
                    else nodes[k].x
                )
            _place(row, nodes, wished, weights, space, width)
    for run in _runs(steps, nodes) * 2:
        _straighten(run, rows, nodes, space, width)


def _runs(steps: Sequence[Step], nodes: Sequence[Placed]) -> list[list[int]]:
    """The longest first: what lies between two boxes, or a box and a joint, of one line."""
    above, below = _neighbours(steps)
    found = []
    for first in dict.fromkeys(k for step in steps for k in step if not nodes[k].box):
        before = above[first]
        if len(before) == 1 and not nodes[before[0]].box and len(below[before[0]]) == 1:
            continue
        run = [first]
        while len(below[run[-1]]) == 1:
            after = below[run[-1]][0]
            if nodes[after].box or len(above[after]) > 1:
                break
            run.append(after)
        found.append(run)
    return sorted(found, key=len, reverse=True)


def _straighten(
    run: Sequence[int],
    rows: Sequence[Sequence[int]],
    nodes: Sequence[Placed],
    space: float,
    width: float,
) -> None:
    """Make a line upright as far as its neighbours let it, in as few pieces as possible."""
    row_of = {k: row for row in rows for k in row}
    piece: list[int] = []
    least, most = 0.0, width
    for k in run:
        row, n = row_of[k], row_of[k].index(k)
        node = nodes[k]
        low, high = node.left, width - node.right
        if n:
            low = nodes[row[n - 1]].x + nodes[row[n - 1]].right + space + node.left
        if n + 1 < len(row):
            high = nodes[row[n + 1]].x - nodes[row[n + 1]].left - space - node.right
        if max(least, low) > min(most, high):
            _align(piece, nodes, least, most)
            piece, least, most = [], 0.0, width
        piece.append(k)
        least, most = max(least, low), min(most, high)
    _align(piece, nodes, least, most)


def _align(piece: Sequence[int], nodes: Sequence[Placed], least: float, most: float) -> None:
    xs = sorted(nodes[k].x for k in piece)
    for k in piece:
        nodes[k].x = max(least, min(xs[len(xs) // 2], most))


def _place(
    row: Sequence[int],
    nodes: Sequence[Placed],
    wished: Sequence[float],
    weights: Sequence[float],
    space: float,
    width: float,
) -> None:
    """The least squares nearest to what is wished, in order and apart (pool adjacent violators)."""
    shifts, reach = [], 0.0
    for n, k in enumerate(row):
        if n:
            reach += nodes[row[n - 1]].right + nodes[k].left + space
        shifts.append(reach)
    blocks: list[list[float]] = []  # [mean, weight, how many]
    for wish, weight, shift in zip(wished, weights, shifts, strict=True):
        blocks.append([wish - shift, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, heavy, many = blocks.pop()
            total = blocks[-1][1] + heavy
            blocks[-1][0] = (blocks[-1][0] * blocks[-1][1] + mean * heavy) / total
            blocks[-1][1], blocks[-1][2] = total, blocks[-1][2] + many
    values = [mean for mean, _, many in blocks for _ in range(int(many))]
    least, most = nodes[row[0]].left, width - nodes[row[-1]].right - reach
    for k, value, shift in zip(row, values, shifts, strict=True):
        nodes[k].x = max(least, min(value, most)) + shift
