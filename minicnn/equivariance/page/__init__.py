"""`save_report`: a report of the verifier as one HTML file that one can hand on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any, NamedTuple

from ...errors import InputTypeError
from ...files import check_destination, write_atomically
from ..layerwise import LayerReport, NetworkReport, NotJudged
from ..report import Report
from .html import definitions, heading, paragraph, table
from .words import DOMAINS, ERROR, LAWS


def save_report(found: Report | NetworkReport | Sequence[LayerReport], path: str | os.PathLike, *,
                operator: str = "the operator", asked: Mapping[str, str] | None = None) -> None:
    """Write a report as an HTML file. The page contains all its pictures, runs no script and loads nothing.

    It has the verdict, what was asked, the laws with errors and tolerances, the witnesses as pictures, the impulse
    response and its spectrum, and for layers the first one that breaks equivariance, with the reason.

    Parameters
    ----------
    found : Report, NetworkReport or list of LayerReport
        The result of `verify_convolution`, `network_report` or `layer_reports`.
    path : path
        An .html file. A file of that name is replaced.
    operator : str
        The name of the operator, for the headings.
    asked : mapping of str to str, optional
        More lines for the table of what was asked, such as {"seed": "0"}.

    Raises
    ------
    InputTypeError
        `found` is no report.
    InputError
        The path does not end in .html.
    FileError
        The file cannot be written. An old file of that name is unchanged.

    Examples
    --------
    >>> import tempfile
    >>> from minicnn.equivariance import verify_convolution
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_report(verify_convolution(abs), os.path.join(folder, "abs.html"), operator="abs")
    ...     os.listdir(folder)
    ['abs.html']
    """
    path = check_destination(path, (".html",))
    write_atomically(path, page_text(found, operator, asked or {}).encode())


def page_text(found: Report | NetworkReport | Sequence[LayerReport], operator: str, asked: Mapping[str, str]) -> str:
    """The page as text. The arguments are those of `save_report`.

    >>> from minicnn.equivariance import verify_convolution
    >>> "<h1>Is my &lt;b&gt; a convolution?</h1>" in page_text(verify_convolution(abs), "my <b>", {})
    True
    """
    from ... import __version__
    name, sentence, good, report, body = (
        _of_operator(found, operator) if isinstance(found, Report) else _of_network(_checked(found), operator))
    verdict = paragraph(_capital(sentence), "verdict good" if good else "verdict")
    if not isinstance(found, Report):
        verdict += _why(_checked(found))
    if report is not None:
        verdict += paragraph(_certainty(report))
        body = [*body, _asked(report, asked)]
    page = _part("page.html")
    for mark, text in (("css", _part("page.css")), ("title", escape(name)), ("version", escape(__version__)),
                       ("verdict", verdict), ("main", "\n".join(body))):
        page = page.replace("{{" + mark + "}}", text.replace("{{", "{&#123;"))
    return page


class _Content(NamedTuple):
    """The heading of a page, its verdict in a sentence, whether that is good, the report, and the sections."""

    name: str
    sentence: str
    good: bool
    report: Report | None
    body: list[str]


def _of_operator(report, operator):
    return _Content(f"Is {operator} a convolution?", f"{operator} is {report.verdict}.", bool(report), report,
                    _details(report))


def _of_network(found, operator):
    shown = found.first or (found.layers[-1] if found.layers else None)
    body = [*_layers(found), *_after(found.after)]
    if shown is not None:
        body += [heading(_capital(f"{operator} up to {shown.title}")), paragraph(f"It is {shown.report.verdict}."),
                 *_details(shown.report)]
    return _Content(f"Which layer of {operator} breaks equivariance to shifts?", _sentence(operator, found),
                    bool(found.layers) and found.first is None, shown and shown.report, body)


def _checked(found):
    if isinstance(found, NetworkReport):
        return found
    if not isinstance(found, (list, tuple)) or not all(isinstance(one, LayerReport) for one in found):
        raise InputTypeError("save_report takes a Report, a NetworkReport or a list of LayerReports, not a "
                             f"{type(found).__name__}: give the result of verify_convolution or of network_report")
    return NetworkReport(list(found), [])


def _sentence(operator, found):
    if not found.layers:
        return f"{operator} has no layer that returns an image of several pixels, so no layer could be judged."
    if found.first is None:
        last = found.layers[-1].title
        return f"{operator} is equivariant to all shifts up to its last layer that returns an image, {last}."
    return f"the first layer of {operator} that breaks equivariance to shifts is {found.first.title}."


def _capital(sentence):
    """The sentence with a capital letter, unless it begins with the name of an operator."""
    return "The " + sentence[4:] if sentence.startswith("the ") else sentence


def _certainty(report):
    """How much the verdict is worth, in words."""
    if report.proof:
        return "All single bright pixels were tried. If the operator is linear, this is a proof."
    if not report.deterministic:
        return "The result does not depend on the image alone. Such an operator cannot be judged by the other laws."
    text = (f"{report.images} images were tried for each law. A broken law is refuted by its counterexample below. A "
            "law that holds for these images is not proved by them.")
    return f"{text} {_capital(report.power)}." if report.power and report.affine else text


def _asked(report: Report, asked):
    h, rows = report.impulse_response, []
    if report.called:
        rows.append(("the operator was", report.called))
    if h is not None:
        outs, ins = h.values.shape[:2]
        rows += [("channels", f"{ins} in, {outs} out"), ("output", f"{h.axes[0].out} x {h.axes[1].out} pixels")]
    rows += [("size of the images", f"{report.size[0]} x {report.size[1]} pixels"), ("domain", DOMAINS[report.domain]),
             ("dtype of the images", report.dtype),
             ("images for each law", f"{report.images}, one of them a single bright pixel"),
             ("every basis vector", "tried" if report.proof else "not tried"), *asked.items()]
    return heading("What was asked") + table("The settings of the verifier", ["setting", "value"], rows)


def _layers(found):
    rows, styles = [], []
    for one in found.steps:
        styles.append("first" if one is found.first else "")
        if isinstance(one, NotJudged):
            rows.append([one.title, one.kind, "not judged", one.why, ""])
            continue
        failing = one.report.shift_failing
        wrong = "" if failing is None else f"{int(failing.sum())} of {failing.size}"
        state = "FAIL" if one.breaks else "mended" if one.mended else "ok"
        rows.append([one.title, one.kind, state, one.report.verdict, wrong])
    return [heading("Layer by layer"),
            table("The network up to each of its layers",
                  ["layer", "settings", "equivariant", "the network up to it is", "wrong pixels after a shift by one"],
                  rows, (), styles)]


def _why(found):
    """Why the first layer breaks equivariance, and what mends it. This stands right below the verdict."""
    if found.first is None:
        return ""
    why = found.first.reason or "nothing in its settings explains it; look at what the network does before it"
    return heading(f"Why {found.first.title} breaks it, and what mends it") + paragraph(f"{why}.", "mend")


def _after(steps):
    """The steps after the last image: they can be invariant, not equivariant."""
    if not steps:
        return []
    rows = [[one.title, one.kind, "not judged", one.why] if isinstance(one, NotJudged) else
            [one.title, one.kind, "ok" if one.invariant else "FAIL", one.verdict] for one in steps]
    parts = [heading("After the last image"), table(
        "A step is invariant if its output does not change when the image moves, out(S f) = out(f)",
        ["layer", "settings", "invariant", "the network up to it is"], rows)]
    return parts + [paragraph(f"{one.title}: {one.reason}.", "mend") for one in steps if getattr(one, "reason", "")]


def _details(report: Report) -> list[str]:
    """The sections about one report."""
    from . import pictures
    h, rows = report.impulse_response, []
    for check in report.checks:
        rows.append([LAWS[check.name][0], check.says, "ok" if check.passed else "FAIL", f"{check.error:.1e}",
                     f"{check.tolerance:.1e}"])
    parts = [heading("The laws"), table("What a convolution must obey, and what was found", [
        "law", "formula", "holds", "largest error", "tolerance"], rows, (3, 4))]
    if report.witnesses:
        parts += [heading("Counterexamples"), *map(pictures.witness_section, report.witnesses.values())]
    if where := pictures.wrong_pixels(report):
        parts += [heading("Where the laws are broken"), where]
    parts.append(heading("The impulse response"))
    if h is None or not report.affine:
        parts.append(paragraph("The operator is not linear, so its result for a single bright pixel does not determine "
                               "it." if report.deterministic else "The result does not depend on the image alone, so "
                               "there is no impulse response."))
    else:
        parts.append(pictures.response_section(h))
        parts.append(heading("The spectrum"))
        determines = report.halo or all(check.passed for check in report.checks if check.name == "convolution")
        parts.append(pictures.spectrum_section(h) if determines else paragraph(
            "The response to a bright pixel depends on its place, so there is no transfer function."))
    seen = dict.fromkeys(check.name for check in report.checks)
    return [*parts, heading("What the laws mean"), definitions([*(LAWS[name] for name in seen), ERROR])]


def _part(name: str) -> Any:
    return (files("minicnn.equivariance.page") / name).read_text(encoding="utf-8")
