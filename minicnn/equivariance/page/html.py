"""The parts of the page: text, tables and figures. All text is escaped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape


def paragraph(text: str, style: str = "") -> str:
    """A paragraph.

    >>> paragraph("f > 0", "soft")
    '<p class="soft">f &gt; 0</p>'
    """
    return f"<p{_class(style)}>{escape(text)}</p>"


def heading(text: str, level: int = 2) -> str:
    """A heading.

    >>> heading("a < b")
    '<h2>a &lt; b</h2>'
    """
    return f"<h{level}>{escape(text)}</h{level}>"


def table(caption: str, titles: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = (),
          styles: Sequence[str] = ()) -> str:
    """A table whose first column has the headers of the rows. On a narrow screen each row becomes a block.

    Parameters
    ----------
    caption : str
    titles : sequence of str
    rows : sequence of sequences of str
        The words "ok" and "FAIL" get a colour.
    numbers : collection of int
        The columns that hold numbers.
    styles : sequence of str
        A class for each row.

    Examples
    --------
    >>> print(table("sums", ["name", "sum"], [["<a>", "3"]], numbers=[1]))
    <table class="stacked"><caption>sums</caption>
    <thead><tr><th scope="col">name</th><th scope="col" class="number">sum</th></tr></thead>
    <tbody><tr><th scope="row">&lt;a&gt;</th><td data-title="sum" class="number">3</td></tr></tbody></table>
    """
    head = "".join(f'<th scope="col"{_class("number" * (i in numbers))}>{escape(title)}</th>'
                   for i, title in enumerate(titles))
    lines = []
    for row, style in zip(rows, [*styles, *[""] * len(rows)], strict=False):
        cells = [f'<th scope="row">{escape(row[0])}</th>']
        for i, text in enumerate(row[1:], 1):
            kind = {"ok": "ok", "FAIL": "fails"}.get(text, "number" * (i in numbers))
            cells.append(f'<td data-title="{escape(titles[i])}"{_class(kind)}>{escape(text)}</td>')
        lines.append(f"<tr{_class(style)}>{''.join(cells)}</tr>")
    return (f'<table class="stacked"><caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>'
            + "\n".join(lines) + "</tbody></table>")


def grid(caption: str, rows: Sequence[Sequence[str]]) -> str:
    """Numbers in rows and columns, which have their numbers as headers. A wide grid scrolls in its place.

    >>> grid("h", [["1", "2"]])[:74]
    '<div class="wide" tabindex="0" role="region" aria-label="h"><table><captio'
    """
    width = max(map(len, rows), default=0)
    head = "".join(f'<th scope="col" class="number">{i}</th>' for i in range(width))
    lines = ["<tr>" + f'<th scope="row" class="number">{i}</th>' +
             "".join(f'<td class="number">{escape(text)}</td>' for text in row) + "</tr>" for i, row in enumerate(rows)]
    return (f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
            f'<caption>{escape(caption)}</caption><thead><tr><th scope="col">row, column</th>{head}</tr></thead><tbody>'
            f'{"".join(lines)}</tbody></table></div>')


def figure(picture: str, caption: str, scale: tuple[str, str, str] | None = None, note: str = "") -> str:
    """A picture under its caption. `scale` is its scale of colours between two numbers. `picture` is HTML.

    >>> figure("<svg></svg>", "f", ("0", "<img>", "1"))
    '<figure><figcaption>f</figcaption><svg></svg><p class="legend"><span>0</span><img><span>1</span></p></figure>'
    """
    legend = ""
    if scale is not None:
        low, colours, high = scale
        legend = f'<p class="legend"><span>{escape(low)}</span>{colours}<span>{escape(high)}</span></p>'
    return (f"<figure><figcaption>{escape(caption)}</figcaption>{picture}{legend}"
            f"{paragraph(note, 'legend') if note else ''}</figure>")


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Terms and their explanations.

    >>> definitions([("h", "the impulse response")])
    '<dl><dt>h</dt><dd>the impulse response</dd></dl>'
    """
    return "<dl>" + "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in pairs) + "</dl>"


def _class(name):
    return f' class="{name}"' if name else ""
