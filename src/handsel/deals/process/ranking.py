"""In which row of a layered drawing each box and each label stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Between two things in a row.
SPACE = 16.0


@dataclass(frozen=True, slots=True)
class Size:
    """Of a box, or of a label."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Link:
    """One line with one label. Lines from several boxes meet in the label and go on as one. ``up``:
    it leads back, and is drawn from below."""

    sources: tuple[str, ...]
    target: str
    label: Size
    up: bool = False


def leading_back(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those of the pairs that lead back to where their beginning came from."""
    back: set[tuple[str, str]] = set()
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        for source, target in pairs:
            if source == name and target in path:
                back.add((source, target))
            elif source == name and target not in done:
                visit(target, (*path, target))
        done.add(name)

    for name in names:
        if name not in done:
            visit(name, (name,))
    return back


def ranks_of(
    boxes: Mapping[str, Size], down: Sequence[tuple[str, str]], width: float
) -> dict[str, int]:
    """The longest way to each box; what leads nowhere goes one lower where a row is full."""
    ranks = dict.fromkeys(boxes, 0)
    for _ in boxes:
        for source, target in down:
            ranks[target] = max(ranks[target], ranks[source] + 1)
    ends = [name for name in boxes if all(name != source for source, _ in down)]
    rank = 0
    while rank <= max(ranks.values()):
        row = [name for name in boxes if ranks[name] == rank]
        full = sum(boxes[name].width + SPACE for name in row) > width
        last = [name for name in row if name in ends]
        if full and last and len(row) > 1:
            ranks[last[-1]] += 1
        else:
            rank += 1
    return ranks


def gaps_of(link: Link, ranks: Mapping[str, int]) -> list[int]:
    """Below which rows of boxes the label may stand."""
    if link.up:
        return list(range(ranks[link.target], min(ranks[s] for s in link.sources)))
    return list(range(max(ranks[s] for s in link.sources), ranks[link.target]))


def label_rows(
    links: Sequence[Link], gaps: Sequence[Sequence[int]], last: int, width: float
) -> tuple[list[int], list[int], int]:
    """(each label's row, each rank's row, how many rows). Labels that do not fit beside each other
    stand in several rows, those of a long line where there is most room."""
    load = [0.0] * (last + 1)
    chosen = [0] * len(links)
    for n in sorted(range(len(links)), key=lambda n: (len(gaps[n]), n)):
        room = min(gaps[n], key=lambda gap: load[gap])
        chosen[n] = room
        load[room] += links[n].label.width + SPACE
    passing = [sum(SPACE for gap in gaps for k in gap if k == rank) for rank in range(last + 1)]
    shelves = [0] * len(links)
    row_of: list[int] = []
    count = 0
    for rank in range(last + 1):
        row_of.append(count)
        here = [n for n in range(len(links)) if chosen[n] == rank]
        usable = max(width - passing[rank] - 60, width / 3)
        rows = -(-int(load[rank]) // int(usable)) if here else 0
        for k, n in enumerate(here):
            shelves[n] = count + 1 + k % max(rows, 1)
        count += 1 + rows
    return shelves, row_of, count
