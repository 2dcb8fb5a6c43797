"""Make benchmarks/RESULTS.md from results.json, errors.json, bitwise.md and the text in results_page.md.

    python benchmarks/results_page.py
"""

import json
import sys
from pathlib import Path

from minicnn.files import write_atomically

HERE = Path(__file__).parent


def page(results):
    """The text of RESULTS.md. `results` is a list of outputs of `minicnn bench ... --json`, each with its "command"."""
    text = (HERE / "results_page.md").read_text(encoding="utf-8")
    conv = [result for result in results if result["benchmark"] == "conv"]
    parts = {"machine": machine_line(results[0]),
             "training": "\n\n".join(training_tables(result) for result in results if result["benchmark"] == "train"),
             "layers": "\n\n".join(layer_tables(result) for result in conv),
             "errors": error_table(json.loads((HERE / "errors.json").read_text(encoding="utf-8"))),
             "bitwise": (HERE / "bitwise.md").read_text(encoding="utf-8").rstrip()}
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    return text


def machine_line(result):
    """Processor, date and versions of a result."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return f"Measured on: {result['cpu']}, {result['cores']} cores, {result['date'][:10]}, {versions}."


def training_tables(result):
    """The runs of one `minicnn bench train`, the fastest library first."""
    lines = [f"`{result['command']}`"]
    for run in result["runs"]:
        rows = [training_row(row) for row in sorted(run["rows"], key=lambda row: row["median_ms"] or float("inf"))]
        titles = (f"{run['title']}", "median ms", f"times that of {run['base']}", "peak MB", "first step s")
        lines += ["", *table(titles, rows)]
    return "\n".join(lines)


def training_row(row):
    """One library of a run."""
    if row["status"] != "ok":
        return row["name"], f"{row['status']}: {row['reason']}", "", "", ""
    ratio = "" if row["ratio_in_turn"] is None else f"{row['ratio_in_turn']:.2f}"
    return row["name"], ms(row['median_ms']), ratio, f"{row['peak_mb']:.0f}", f"{row['first_step_s']:.2g}"


def layer_tables(result):
    """The runs of one `minicnn bench conv`: a table for each batch size and number of threads, and lines on auto."""
    groups = {}
    for run in result["runs"]:
        groups.setdefault((run["batch_size"], run["threads"]), []).append(run)
    lines = [f"`{result['command']}`"]
    for (batch, threads), runs in groups.items():
        names = list(dict.fromkeys(row["name"] for run in runs for row in run["rows"]))
        rows = []
        for run in runs:
            of, auto = {row["name"]: row for row in run["rows"]}, run["auto"] and f"minicnn {run['auto']['algorithm']}"
            rows.append((f"{run['network']} {run['case']}, {run['layer']}",
                         *(layer_cell(of.get(name), name == auto) for name in names)))
        lines += ["", *table((f"batch {batch}, {threads} thread{'s' * (threads != 1)}", *names), rows)]
    return "\n".join([*lines, "", *auto_lines([run for run in result["runs"] if run["auto"]])])


def auto_lines(runs):
    """How often auto takes the fastest algorithm, and the layers for which it does not."""
    slower = [run for run in runs if run["auto"]["ratio_to_best"] > 1]
    yield f"auto takes minicnn's fastest algorithm in {len(runs) - len(slower)} of {len(runs)} layers."
    for run in slower:
        yield (f"For {run['network']} {run['case']} it takes {run['auto']['algorithm']}, "
               f"{run['auto']['ratio_to_best']:.1f} times the time of the fastest.")


def layer_cell(row, bold):
    """Time and error of one library on one layer."""
    if row is None or row["status"] != "ok":
        return "-" if row is None or row["status"] == "skipped" else row["status"]
    text = f"{ms(row['both']['median_ms'])} ({max(row['errors'].values()):.2g})"
    return f"**{text}**" if bold else text


def error_table(found):
    """The measurements of errors.py."""
    titles = ("algorithm, norm", "output", "input's gradient", "weight's gradient", "output, all positive",
              "input's gradient, all positive", "weight's gradient, all positive")
    rows = [(f"`{row['algorithm']}`, {row['norm']}",
             *(f"{error:.1f}" for key in ("both signs", "all positive") for error in row[key].values()))
            for row in found["rows"]]
    head = (f"`python benchmarks/errors.py` ({found['cpu']}, {found['date']}, minicnn {found['minicnn']}; "
            f"{found['outputs']:,} outputs)")
    return "\n".join([head, "", *table(titles, rows)])


def ms(value):
    """Milliseconds with three digits; from 100 on, without decimals."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def table(titles, rows):
    """The lines of a Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in (titles, ["---"] * len(titles), *rows)]


def main():
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    write_atomically(HERE / "RESULTS.md", page(results).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
