"""HTML for notebooks: how a result shows itself as the last expression of a cell.

Jupyter calls the method `_repr_html_` of such a result. The functions here make its text. They import nothing of
Jupyter. All text is escaped.
"""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Collection, Sequence
from html import escape
from typing import Any

import numpy as np

LEFT, RIGHT = "text-align:left;padding:1px 8px", "text-align:right;padding:1px 8px;white-space:nowrap"


def shell() -> Any:
    """The shell of IPython if this process is the kernel of a notebook, else None. It imports nothing.

    >>> shell() is None
    True
    """
    ipython = sys.modules.get("IPython")
    found = None if ipython is None else getattr(ipython, "get_ipython", lambda: None)()
    return found if getattr(found, "kernel", None) is not None else None


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: Collection[int] = (),
          bold: Collection[int] = ()) -> str:
    """A table of texts.

    Parameters
    ----------
    titles : sequence of str
        The first row; without titles there is none.
    rows : sequence of sequences of str
        Leading spaces of a text stay.
    left : collection of int
        The columns that are aligned at the left. The others hold numbers.
    bold : collection of int
        The rows in bold letters.

    Examples
    --------
    >>> print(table(["layer"], [["<b>"]], left=[0]))
    <table><thead><tr><th style="text-align:left;padding:1px 8px">layer</th></tr></thead><tbody>
    <tr><td style="text-align:left;padding:1px 8px">&lt;b&gt;</td></tr></tbody></table>
    """
    align = [LEFT if i in left else RIGHT for i in range(max(map(len, [titles, *rows]), default=0))]
    head = "".join(f'<th style="{style}">{escape(title)}</th>' for title, style in zip(titles, align, strict=False))
    lines = []
    for number, row in enumerate(rows):
        weight = ";font-weight:bold" if number in bold else ""
        lines.append("\n<tr>" + "".join(
            f'<td style="{style}{weight}">{_indented(text)}</td>'
            for text, style in zip(row, align, strict=False)) + "</tr>")
    top = f"<thead><tr>{head}</tr></thead>" if titles else ""
    return f"<table>{top}<tbody>{''.join(lines)}</tbody></table>"


def _indented(text):
    """The text, escaped. HTML would drop its leading spaces."""
    words = text.lstrip(" ")
    return "&ensp;" * (len(text) - len(words)) + escape(words)


def paragraph(text: str, bold: bool = False) -> str:
    """A line of text.

    >>> paragraph("f > 0", bold=True)
    '<div style="margin:2px 0"><b>f &gt; 0</b></div>'
    """
    return f'<div style="margin:2px 0">{"<b>" * bold}{escape(text)}{"</b>" * bold}</div>'


def picture(pixels: np.ndarray, alt: str, width: int | None = None) -> str:
    """An <img> of pixels, uint8 (H, W) or (H, W, 3). Each pixel is a sharp square if it is enlarged.

    Parameters
    ----------
    pixels : ndarray of uint8
    alt : str
        The picture in words, for readers who do not see it.
    width : int, optional
        On the screen; by default one for each pixel.
    """
    from PIL import Image
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "png")
    return image(buffer.getvalue(), "png", alt, width or pixels.shape[1], sharp=True)


def image(data: bytes, kind: str, alt: str, width: int, sharp: bool = False) -> str:
    """An <img> that contains the bytes of a file.

    Parameters
    ----------
    data : bytes
    kind : str
        "png" or "gif".
    alt : str
        The picture in words.
    width : int
        On the screen. The picture is not wider than the page.
    sharp : bool
        Show each pixel as a square if the picture is enlarged.

    Examples
    --------
    >>> image(b"GIF89a", "gif", 'a "digit"', 8)
    '<img src="data:image/gif;base64,R0lGODlh" alt="a &quot;digit&quot;" style="width:8px;max-width:100%">'
    """
    return (f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}" alt="{escape(alt)}" '
            f'style="width:{width}px;max-width:100%{";image-rendering:pixelated" * sharp}">')


def frame(page: str, height: int, title: str) -> str:
    """An <iframe> that contains a whole page. Its scripts reach neither the notebook nor the network's cookies.

    The page may save files, because `minicnn explore` saves animations.

    >>> frame("<p>1 & 2</p>", 90, "sums")
    '<iframe srcdoc="&lt;p&gt;1 &amp; 2&lt;/p&gt;" sandbox="allow-scripts allow-downloads" title="sums" style="width:100%;height:90px;border:0"></iframe>'
    """  # noqa: E501
    return (f'<iframe srcdoc="{escape(page)}" sandbox="allow-scripts allow-downloads" title="{escape(title)}" '
            f'style="width:100%;height:{height}px;border:0"></iframe>')
