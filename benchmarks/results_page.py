"""Make benchmarks/RESULTS.md and the tables in benchmarks/results/ from the stored measurements.

    python benchmarks/results_page.py

RESULTS.md has a table for each instruction set, from results/INSTRUCTION SET/*.json, then errors.json and bitwise.md.
The text around them is results_page.md. A page for each instruction set has the tables of all libraries and layers.
"""

import json
import sys
from pathlib import Path

from rows import RESULTS, ROWS, stored
from summary import TITLES, lines, ms, threads, where

from minicnn.files import write_atomically

HERE = Path(__file__).parent


def page(measured):
    """The text of RESULTS.md. `measured` is {instruction set: {row: measurement}}, see `rows.stored`."""
    text = (HERE / "results_page.md").read_text(encoding="utf-8")
    parts = {"speed": "\n\n".join(speed_section(name, results) for name, results in measured.items()),
             "errors": error_table(json.loads((HERE / "errors.json").read_text(encoding="utf-8"))),
             "bitwise": (HERE / "bitwise.md").read_text(encoding="utf-8").rstrip()}
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    return text


def speed_section(name, results):
    """The table of an instruction set, where all libraries and layers are, and a note on rows that are missing."""
    missing = [row for row in ROWS if row not in results]
    text = [f"### {name}", ""]
    if results:
        text += [f"All libraries and layers, and the command of each row: `benchmarks/results/{name.lower()}.md`.", ""]
    if missing:
        rows = f" --rows {' '.join(missing)}" if results else ""
        text += [f"{len(missing)} of {len(ROWS)} rows are not measured yet. On a processor with {name} this command "
                 "measures them:", "", f"    python benchmarks/run.py{rows} --instructions "
                 f"{'avx2' if name == 'AVX2' else 'native'}", ""]
    return "\n".join([*text, *table(TITLES, lines(results))])


def details(name, results):
    """The page of an instruction set: each row's command, machine and tables."""
    show = {"train": training_tables, "fixed": fixed_table, "conv": layer_tables, "product": product_table}
    text = [f"# {name}", "", "`python benchmarks/results_page.py` makes this page from the files in "
            f"`benchmarks/results/{name.lower()}`."]
    for row, result in results.items():
        text += ["", f"## {row}: {ROWS[row].work}", "", f"`{result['command']}`", "", machine_line(result), "",
                 *show[result["benchmark"]](result)]
    return "\n".join(text) + "\n"


def machine_line(result):
    """Where and with which versions a row was measured."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items() if name != "minicnn")
    return f"{where(result)}; {result['cores']} cores, load before {result['load_before']:.1f}; {versions}."


def training_tables(result):
    """The runs of one `minicnn bench train`, the fastest library first."""
    for run in result["runs"]:
        rows = [training_row(row) for row in sorted(run["rows"], key=lambda row: row["median_ms"] or float("inf"))]
        yield from table((f"{run['title']}", "median ms", f"times that of {run['base']}", "peak MB", "first step s"),
                         rows)


def training_row(row):
    """One library of a run."""
    if row["status"] != "ok":
        return row["name"], f"{row['status']}: {row['reason']}", "", "", ""
    ratio = "" if row["ratio_in_turn"] is None else f"{row['ratio_in_turn']:.2f}"
    return row["name"], ms(row['median_ms']), ratio, f"{row['peak_mb']:.0f}", f"{row['first_step_s']:.2g}"


def fixed_table(result):
    """The lines of `minicnn bench train --fixed`: the fixed part, the time of an image, and the measured steps."""
    for run in result["runs"]:
        rows = [(f"{row['name']}, {threads(row['threads'])}", f"{row['fixed_ms']:.2f}", f"{row['image_ms']:.3g}",
                 *(ms(time) for _, time in row["times"])) if row["status"] == "ok" else
                (f"{row['name']}, {threads(row['threads'])}", f"{row['status']}: {row['reason']}",
                 *[""] * (1 + len(run["batch_sizes"]))) for row in run["rows"]]
        yield from table(("LeNet training step", "fixed ms", "ms an image",
                          *(f"batch {size}, ms" for size in run["batch_sizes"])), rows)


def product_table(result):
    """The speeds of `minicnn bench product`."""
    for run in result["runs"]:
        yield from table((f"{run['layer']}, batch {run['batch_size']}, {threads(run['threads'])}", "median ms",
                          "GFLOP/s", "part of the product"),
                         [(row["name"], ms(row["median_ms"]), f"{row['gflops']:.0f}", f"{row['part']:.2f}")
                          for row in run["rows"]])


def layer_tables(result):
    """The layers of one `minicnn bench conv`, the choices of auto that are not the fastest, and what was wrong."""
    names = list(dict.fromkeys(row["name"] for run in result["runs"] for row in run["rows"]))
    rows = []
    for run in result["runs"]:
        of, auto = {row["name"]: row for row in run["rows"]}, run["auto"] and f"minicnn {run['auto']['algorithm']}"
        rows.append((f"{run['network']} {run['case']}, {run['layer']}, batch {run['batch_size']}",
                     *(layer_cell(of.get(name), name == auto) for name in names)))
    yield from table((threads(result["runs"][0]["threads"]), *names), rows)
    yield ""
    yield from auto_lines([run for run in result["runs"] if run["auto"] and run["auto"]["ratio_to_best"]])
    for run in result["runs"]:
        for row in run["rows"]:
            if row["status"] in ("wrong", "failed"):
                yield f"{row['name']} in {run['network']} {run['case']}: {row['status']}, {row['reason']}."


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


def table(titles, rows):
    """The lines of a Markdown table."""
    return ["| " + " | ".join(cells) + " |" for cells in (titles, ["---"] * len(titles), *rows)]


def write():
    """Write RESULTS.md and the pages of the instruction sets."""
    measured = stored()
    write_atomically(HERE / "RESULTS.md", page(measured).encode())
    for name, results in measured.items():
        if results:
            write_atomically(RESULTS / f"{name.lower()}.md", details(name, results).encode())


if __name__ == "__main__":
    sys.exit(write())
