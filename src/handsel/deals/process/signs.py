"""The colours and signs of a drawing, and what they mean."""

from collections.abc import Mapping
from html import escape

STYLE = """
text{font:12.5px system-ui,"Helvetica Neue",Arial,sans-serif;fill:#1f2430}
.h{font-size:17px;font-weight:600}.n{font-weight:600}.m{font-size:11px}.m,.q{fill:#5b6474}
.p{fill:#fbfbfa}.o{fill:#fff;stroke:#8b93a1;stroke-width:1.3}.f{fill:#fdf0cf;stroke:#b98a1d}
.i{fill:none;stroke:#8b93a1}.d{fill:#1f2430}path{fill:none;stroke-width:1.5}
.a{fill:#1d5fbf}.b{fill:#127a4d}.c{fill:#a8500f}.s{fill:#646c79}.x{fill:#9a3fa0}
.k{fill:none;stroke-width:1.2}
.la{stroke:#1d5fbf}.lb{stroke:#127a4d}.ls{stroke:#646c79;stroke-dasharray:5 3.5}.lx{stroke:#9a3fa0}
.lc{stroke:#a8500f}
.ly{stroke:#8b93a1}.r{fill:none;stroke-width:1.2;stroke-dasharray:none}.v{fill:#fff}
.j{font-size:10.5px;font-weight:600;text-anchor:middle}
.ha{fill:#1d5fbf}.hb{fill:#127a4d}.hs{fill:#646c79}.hx{fill:#9a3fa0}.hc{fill:#a8500f}.hy{fill:#8b93a1}
@media(prefers-color-scheme:dark){text{fill:#e6e9ef}.m,.q{fill:#a2abba}.p{fill:#15181e}
.o{fill:#1e232b;stroke:#7b8494}.f{fill:#3b3118;stroke:#c79a35}.d{fill:#e6e9ef}
.a{fill:#7db2ff}.b{fill:#5fcf9b}.c{fill:#f0a566}.s{fill:#a9b1be}.x{fill:#dc9be0}
.la{stroke:#7db2ff}.lb{stroke:#5fcf9b}.ls{stroke:#a9b1be}.lx{stroke:#dc9be0}.lc{stroke:#f0a566}
.v{fill:#15181e}
.ha{fill:#7db2ff}.hb{fill:#5fcf9b}.hs{fill:#a9b1be}.hx{fill:#dc9be0}.hc{fill:#f0a566}}
""".replace("\n", "")

#: In a row of plain words the estimate of ``wide`` is too careful.
_LESS = 0.94


def wide(text: str) -> float:
    """About how wide a text is at 12.5 pixels, rather too much than too little."""
    return sum(3.9 if c in "iljtf.,:|' -" else 11.0 if c in "mwMW" else 7.4 for c in text)


def clock(x: float, y: float) -> str:
    """The system acts at a time."""
    return (
        f'<g class="k ly"><circle cx="{x:.1f}" cy="{y:.1f}" r="4.6"/>'
        f'<path d="M{x:.1f} {y - 3:.1f}v3h2.4"/></g>'
    )


def bolt(x: float, y: float) -> str:
    """The system acts on an event."""
    return f'<path class="hy" d="M{x + 1:.1f} {y - 5:.1f}l-4.5 6h3l-1 4.5 4.5-6.5h-3z"/>'


def loop(x: float, y: float, kind: str) -> str:
    """The order stays where it is."""
    arc = f"M{x + 3.4:.1f} {y - 2.4:.1f}a4 4 0 1 0 .6 3.4"
    return (
        f'<path class="l{kind}" style="stroke-dasharray:none" d="{arc}"/>'
        f'<path class="h{kind}" d="M{x + 4.9:.1f} {y - 5.2:.1f}v4.4h-4.2z"/>'
    )


def beginning(x: float, y: float) -> str:
    """An order begins in the box below."""
    return (
        f'<circle class="d" cx="{x:.1f}" cy="{y - 17:.1f}" r="4"/>'
        f'<path class="ly" d="M{x:.1f} {y - 13:.1f}V{y - 5:.1f}"/>'
        f'<path class="hy" d="M{x:.1f} {y:.1f}l-4 -7h8z"/>'
    )


def mark(x: float, y: float, number: int, kind: str, *, filled: bool) -> str:
    """A number that stands for a transition: in a ring, or filled where it arrives."""
    ring = f'<circle class="{f"h{kind}" if filled else f"r l{kind}"}" cx="{x:.1f}" cy="{y:.1f}"'
    text = f'<text class="{"v" if filled else kind} j" x="{x:.1f}" y="{y + 3.8:.1f}">'
    return f'{ring} r="7.4"/>{text}{number}</text>'


def legend(actors: Mapping[str, str], holds: bool, x: float, y: float) -> str:
    """What the colours and signs mean; ``actors``: class of the colour -> whose it is; ``holds``:
    whether money is held anywhere."""
    parts = []
    for kind, text in actors.items():
        parts.append(f'<path class="l{kind}" d="M{x:.0f} {y - 4:.0f}h24"/>')
        parts.append(f'<text class="{kind}" x="{x + 30:.0f}" y="{y:.0f}">{escape(text)}</text>')
        x += 46 + wide(text) * _LESS
    boxes = (("o f", "money is held"), ("o", "an end"))
    for kind, text in boxes if holds else boxes[1:]:
        box = f'x="{x:.0f}" y="{y - 13:.0f}" width="26" height="17" rx="5"'
        parts.append(f'<rect class="{kind}" {box}/>')
        if kind == "o":
            box = f'x="{x + 3:.0f}" y="{y - 10:.0f}" width="20" height="11" rx="3"'
            parts.append(f'<rect class="i" {box}/>')
        parts.append(f'<text x="{x + 33:.0f}" y="{y:.0f}">{text}</text>')
        x += 48 + wide(text) * _LESS
    for sign, text in ((clock, "by the clock"), (bolt, "on an event")):
        parts.append(sign(x + 5, y - 4) + f'<text x="{x + 15:.0f}" y="{y:.0f}">{text}</text>')
        x += 28 + wide(text) * _LESS
    return "".join(parts)
