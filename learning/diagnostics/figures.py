"""What all pictures look like, and how they become SVG that may stand in any page."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from itertools import zip_longest
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..exceptions import LearningError
from .shapes import Curve

#: Told apart by people who do not see red and green (Okabe and Ito, Color Universal Design, 2008).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8500")
#: And by people, or printers, who see no colour.
DASHES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (1, 1)),
    (0, (8, 3)),
)
MARKERS = "osD^vPX*"
#: From none, white, to all.
SEQUENCE = "Blues"
GREY = "#767676"
#: The shade of a cell beyond which black text is hard to read.
DARK = 0.6
#: Letters of a name that a picture has room for.
LONGEST = 26
#: Bytes of a picture that is kept.
MOST_BYTES = 200_000

_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#4d4d4d",
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "font.family": "sans-serif",
    # DejaVu Sans comes with matplotlib, so that widths are the same everywhere; viewers that lack it have a narrower
    # one.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": "#e0e0e0",
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    # Text stays text: it can be found, copied and read aloud, and takes a fifth of the room.
    "svg.fonttype": "none",
    # A name may hold a dollar sign.
    "text.parse_math": False,
}


class TooLarge(LearningError):
    """The picture is too large to be kept."""

    code = "TOO_COMPLEX"


@contextmanager
def styled(salt: str) -> Iterator[None]:
    """In the pictures' style; `salt` makes the same picture's identifiers the same every time."""
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": salt}):
        yield


def axes(figure: Figure, width: float = 6.4, height: float = 4.4) -> Axes:
    """The figure's only axes, in a size in inches that decides how large its letters are."""
    figure.set_size_inches(width, height)
    return figure.add_subplot()


def plot(
    axes: Axes,
    curves: Sequence[Curve],
    labels: Sequence[str] = (),
    *,
    markers: bool = False,
    drawstyle: str = "default",
) -> None:
    """Plot `curves` as lines that differ in colour and dashes, each with its band from `low` to `high`.

    `labels` stand in the legend instead of the curves' names; `markers` marks each point.
    """
    for place, curve in enumerate(curves):
        (line,) = axes.plot(
            curve.x,
            curve.y,
            linestyle=DASHES[place % len(DASHES)],
            marker=MARKERS[place % len(MARKERS)] if markers else None,
            markersize=5,
            drawstyle=drawstyle,
            label=labels[place] if labels else curve.name,
        )
        if curve.low is not None and curve.high is not None:
            axes.fill_between(curve.x, curve.low, curve.high, color=line.get_color(), alpha=0.25, linewidth=0)


def heat_map(
    axes: Axes, shades: NDArray[np.float64], texts: NDArray[Any], rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Draw a cell for each of `shades` (0: white, 1: darkest), with its text; the first row on top.

    Cells are vector paths; `imshow`, as scikit-learn's displays use it, would put a raster image into the SVG.
    """
    axes.pcolormesh(shades, cmap=SEQUENCE, vmin=0, vmax=1, edgecolor="white", linewidth=0.5)
    for (row, column), text in np.ndenumerate(texts):
        shade = shades[row, column]
        colour = "white" if shade > DARK else "black" if shade else GREY
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)


def legend(axes: Axes, title: str | None = None) -> None:
    """To the right of the axes, where it hides nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, title=title)


def short(names: Sequence[str]) -> list[str]:
    """Names with their middle left out where they are long, or their beginning where they would be alike else."""
    tried = [_cut(name) for name in names]
    if len(set(tried)) < len(set(names)):
        same = next(i for i, letters in enumerate(zip_longest(*names)) if len(set(letters)) > 1)
        tried = [_cut(f"…{name[same:]}") for name in names]
    return tried if len(set(tried)) == len(set(names)) else list(names)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 11]}…{name[-10:]}"


def svg(figure: Figure, title: str) -> str:
    """The figure as SVG with this title: without size, dates, scripts, style sheets, or anything from outside."""
    file = BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing)
    drawn = file.getvalue().decode()
    return _embeddable(drawn[drawn.index("<svg") :], title)


def _embeddable(drawn: str, title: str) -> str:
    """Attributes instead of styles, which a page's security policy may forbid, or which would reach beyond the
    picture; nothing that cannot be seen.
    """
    box = re.search(r'viewBox="[^"]*"', drawn)
    assert box
    body = drawn[drawn.index(">") + 1 :]
    for pattern, instead in _UNSEEN:
        body = pattern.sub(instead, body)
    body = re.sub(r' style="([^"]*)"', _attributes, body)
    body = re.sub(r' (?:d|x|y|transform)="[^"]*"', _rounded, body)
    return f"{_HEAD.format(box=box[0], title=escape(title))}{_EMPTY.sub('', body).strip()}"


_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box} role="img" '
    'aria-label="{title}" font-family="DejaVu Sans, Verdana, sans-serif" stroke-linejoin="round" '
    'stroke-linecap="butt">'
)
_UNSEEN = (
    (re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL), ""),
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r'<g id="[^"]*"'), "<g"),
    (re.compile(r"\n\s*"), "\n"),
)
#: Groups of nothing, and cells of no colour.
_EMPTY = re.compile(r'<g/>\n|<path d="[^"]*"(?: clip-path="[^"]*")? fill="none"/>\n')


def _attributes(style: re.Match[str]) -> str:
    pairs = (pair.partition(":") for pair in style[1].split(";") if pair.strip())
    kept = [(name.strip(), value.strip()) for name, _, value in pairs if name.strip() != "font-family"]
    return "".join(f' {name}="{value}"' for name, value in kept)


def _rounded(numbers: re.Match[str]) -> str:
    """To hundredths of a point."""
    return re.sub(r"(\.\d\d)\d+", r"\1", numbers[0])
