"""The README's tables from what `minicnn bench ... --json` or benchmarks/run.py wrote.

    python benchmarks/readme_table.py benchmarks/results.json
"""

import json
import sys
from pathlib import Path


def training_table(run):
    """A run of `bench train` in Markdown: time, how many times minicnn's, memory."""
    yield f"{run['title']}:\n"
    yield from head("", "median ms", f"times that of {run['base']}", "peak MB", "first step s")
    for row in sorted(run["rows"], key=lambda row: row["median_ms"] or float("inf")):
        if row["status"] != "ok":
            yield line(row["name"], f"{row['status']}: {row['reason']}", "", "", "")
            continue
        ratio = "" if row["ratio_in_turn"] is None else f"{row['ratio_in_turn']:.2f}"
        yield line(row["name"], f"{row['median_ms']:.3g}", ratio, f"{row['peak_mb']:.0f}",
                   f"{row['first_step_s']:.2g}")


def layer_tables(runs):
    """The runs of `bench conv`, one table for each batch size and number of threads: forward and both gradients."""
    groups = {}
    for run in runs:
        groups.setdefault((run["batch_size"], run["threads"]), []).append(run)
    for (batch, threads), same in groups.items():
        names = list(dict.fromkeys(row["name"] for run in same for row in run["rows"]))
        yield f"Layers, forward and both gradients, batch {batch}, threads {threads}: median ms (worst error of the "
        yield "output and the gradients in eps (\\|w\\| * \\|x\\|)); what auto takes is bold:\n"
        yield from head("layer", *names)
        for run in same:
            rows = {row["name"]: row for row in run["rows"]}
            auto = run["auto"] and f"minicnn {run['auto']['algorithm']}"
            yield line(f"{run['network']} {run['case']}, {run['layer']}",
                       *(cell(rows.get(name), name == auto) for name in names))
        yield ""


def cell(row, bold):
    if row is None or row["status"] != "ok":
        return "-" if row is None or row["status"] == "skipped" else row["status"]
    text = f"{row['both']['median_ms']:.3g} ({max(row['errors'].values()):.2g})"
    return f"**{text}**" if bold else text


def head(*titles):
    yield line(*titles)
    yield line(*["---"] * len(titles))


def line(*cells):
    return "| " + " | ".join(cells) + " |"


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    results = json.loads(Path(sys.argv[1]).read_text())
    results = results if isinstance(results, list) else [results]
    first = results[0]
    print(f"{first['cpu']}, {first['cores']} cores, {first['date'][:10]}, "
          + ", ".join(f"{name} {version}" for name, version in first["versions"].items()) + ".\n")
    for result in results:
        if result["benchmark"] == "train":
            for run in result["runs"]:
                print("\n".join(training_table(run)) + "\n")
        elif result["benchmark"] == "conv":
            print("\n".join(layer_tables(result["runs"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
