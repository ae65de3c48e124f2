"""The common style of all plots, with complete or no files.

Plots use matplotlib's objects, without pyplot and its global list of figures, and do not depend on
the user's matplotlibrc. The same input on the same machine gives the same bytes.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

from fastdefect.files import write_bytes

INK, FAINT = "#222222", "#8a8a8a"

# Fonts for class names in Chinese, Japanese and Korean, if the machine has one.
_FALLBACKS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
)

_STYLE: dict[Any, Any] = {
    "figure.dpi": 110,
    "savefig.dpi": "figure",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.markersize": 3.2,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.color": INK,
    "text.parse_math": False,  # a class name can contain "$"
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of ``width`` by ``height`` inches that is written to the PNG ``path`` at the end.

    If the block raises, nothing is written. The process's own settings of matplotlib are restored.
    Raises OSError if ``path`` cannot be written.
    """
    known = set(fontManager.get_font_names())
    fonts = ["DejaVu Sans", *(name for name in _FALLBACKS if name in known)]
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter that no font has becomes a box; the figure is still useful.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE | {"font.family": fonts})
        figure = Figure(figsize=(width, height), layout="constrained")
        canvas: Any = FigureCanvasAgg(figure)  # print_png has no types
        yield figure
        buffer = io.BytesIO()
        # Figure.savefig gives the same bytes, but computes the layout in a draw of its own.
        # The default value of the metadata contains the version of matplotlib.
        canvas.print_png(buffer, metadata={"Software": "fastdefect"})
    write_bytes(path, buffer.getvalue())
