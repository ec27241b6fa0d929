"""Style of all charts, and their conversion to SVG that any page may embed."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
from itertools import zip_longest

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..exceptions import LearningError
from .shapes import Curve

#: Colours that people with colour blindness can distinguish (Okabe and Ito, Color Universal Design, 2008).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C8500")
#: Line styles that distinguish curves without colour.
DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
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
#: Colour map from 0, white, to 1.
SEQUENCE = "Blues"
GREY = "#767676"
#: Shade of a cell above which its text is white.
DARK = 0.6
#: Upper bound of the characters of a name.
LONGEST = 26
#: Upper bound of the bytes of a chart.
MOST_BYTES = 200_000

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#4d4d4d",
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "font.family": "sans-serif",
    # DejaVu Sans is part of matplotlib, so widths are the same everywhere; viewers without it use a narrower font.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "grid.color": "#e0e0e0",
    "grid.linewidth": 0.6,
    "legend.fontsize": 9,
    "legend.frameon": False,
    # Text stays text: it can be searched, copied and read aloud, and takes a fifth of the bytes.
    "svg.fonttype": "none",
    # A name may contain a dollar sign.
    "text.parse_math": False,
}


class TooLarge(LearningError):
    """The chart is too large to be stored."""

    code = "TOO_COMPLEX"


@contextmanager
def apply_style(salt: str) -> Iterator[None]:
    """Apply the charts' style within the context; `salt` makes the identifiers in the SVG reproducible."""
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": salt}):  # type: ignore[arg-type]
        yield


def add_axes(figure: Figure, width: float = 6.4, height: float = 4.4) -> Axes:
    """Add the figure's only axes; the size in inches determines the relative size of text."""
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
    """Plot curves as lines that differ in colour and dashes, with their error bands.

    Args:
        labels: For the legend, instead of the curves' names.
        markers: Whether to mark each point.
    """
    for index, curve in enumerate(curves):
        (line,) = axes.plot(
            curve.x,
            curve.y,
            linestyle=DASHES[index % len(DASHES)],
            marker=MARKERS[index % len(MARKERS)] if markers else None,
            markersize=5,
            drawstyle=drawstyle,
            label=labels[index] if labels else curve.name,
        )
        if curve.low is not None and curve.high is not None:
            axes.fill_between(curve.x, curve.low, curve.high, color=line.get_color(), alpha=0.25, linewidth=0)


def draw_matrix(
    axes: Axes,
    shades: NDArray[np.float64],
    texts: NDArray[np.str_],
    rows: Sequence[str],
    columns: Sequence[str],
) -> None:
    """Draw a matrix of shaded cells with texts, the first row on top.

    Cells are vector paths; `imshow`, as scikit-learn's displays use it, would put a raster image into the SVG.

    Args:
        shades: `(rows, columns)`: 0 is white, 1 is darkest.
        texts: `(rows, columns)`.
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


def add_legend(axes: Axes, title: str | None = None) -> None:
    """Add a legend to the right of the axes, where it covers nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, title=title)


def shorten(names: Sequence[str]) -> list[str]:
    """Shorten long names by their middle, or by their common beginning too if they would be equal otherwise."""
    shortened = [_shorten(name) for name in names]
    if len(set(shortened)) < len(set(names)):
        common = next(i for i, letters in enumerate(zip_longest(*names)) if len(set(letters)) > 1)
        shortened = [_shorten(f"…{name[common:]}") for name in names]
    return shortened if len(set(shortened)) == len(set(names)) else list(names)


def _shorten(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 11]}…{name[-10:]}"


def render_svg(figure: Figure, title: str) -> str:
    """Render the figure as SVG without size, dates, scripts, style sheets and external references."""
    file = BytesIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=no_metadata)
    document = file.getvalue().decode()
    return _make_embeddable(document[document.index("<svg") :], title)


def _make_embeddable(document: str, title: str) -> str:
    """Replace styles by attributes and remove invisible elements.

    A page's security policy may forbid inline styles, and a style sheet would affect the whole page.
    """
    box = re.search(r'viewBox="[^"]*"', document)
    assert box
    body = document[document.index(">") + 1 :]
    for pattern, replacement in _INVISIBLE:
        body = pattern.sub(replacement, body)
    body = re.sub(r' style="([^"]*)"', _style_to_attributes, body)
    body = re.sub(r' (?:d|x|y|transform)="[^"]*"', _round_numbers, body)
    return f"{_HEAD.format(box=box[0], title=escape(title))}{_EMPTY.sub('', body).strip()}"


_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box} role="img" '
    'aria-label="{title}" font-family="DejaVu Sans, Verdana, sans-serif" stroke-linejoin="round" '
    'stroke-linecap="butt">'
)
_INVISIBLE = (
    (re.compile(r"<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL), ""),
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(r'<g id="[^"]*"'), "<g"),
    (re.compile(r"\n\s*"), "\n"),
)
#: Empty groups, and paths without a fill.
_EMPTY = re.compile(r'<g/>\n|<path d="[^"]*"(?: clip-path="[^"]*")? fill="none"/>\n')


def _style_to_attributes(style: re.Match[str]) -> str:
    pairs = (pair.partition(":") for pair in style[1].split(";") if pair.strip())
    attributes = [(name.strip(), value.strip()) for name, _, value in pairs if name.strip() != "font-family"]
    return "".join(f' {name}="{value}"' for name, value in attributes)


def _round_numbers(numbers: re.Match[str]) -> str:
    """Round the numbers to hundredths of a point."""
    return re.sub(r"(\.\d\d)\d+", r"\1", numbers[0])
