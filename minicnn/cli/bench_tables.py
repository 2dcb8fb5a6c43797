"""The results of `minicnn bench` as text on stdout."""

from __future__ import annotations

from ..bench.layers import PASSES, exceeds_bound
from .output import print_table


def print_training(result):
    """What `minicnn bench train` found."""
    _print_machine(result)
    for run in result["runs"]:
        print(f"\n{run['title']}, {_count(run['rounds'], 'round')} in turn; times in ms")
        header = ["steps", "median", "quartiles", "least", "ratio", "in turn", "peak MB", "import MB", "first step s"]
        inference = run["task"] == "forward"
        print_table("", [*header, *["error"] * inference], [
            _training_row(row)[:len(header) + 1 + inference] for row in run["rows"] if row["status"] == "ok"])
        _print_reasons(run["rows"])
    base = result["runs"][0]["base"]
    print(f"\nratio: median over that of {base}; in turn: median of the ratios within a round. import: memory after "
          "it; peak:\nafter all steps. first step: in a new process, with what compilers have cached on disk.")


def _training_row(row):
    quartiles = f"{_ms(row['q1_ms'])} - {_ms(row['q3_ms'])}"
    return [row["name"], f"{row['steps']}", _ms(row["median_ms"]), quartiles, _ms(row["min_ms"]),
            _number(row["ratio"], ".2f"), _number(row["ratio_in_turn"], ".2f"), _number(row["peak_mb"], ".0f"),
            _number(row["import_mb"], ".0f"), _number(row["first_step_s"], ".2f"), _number(row["error"], ".0e")]


def print_layers(result):
    """What `minicnn bench conv` found."""
    _print_machine(result)
    print("Times in ms, medians; both: forward and then both gradients. GFLOP/s of the definition's work. "
          "error: of the output,\nthe gradients of input and weight, the worst sampled element, in units of "
          "eps (|w| * |x|).")
    for run in result["runs"]:
        print(f"\n{run['network']} {run['case']}: {run['layer']}, batch {run['batch_size']}, "
              f"{_count(run['threads'], 'thread')}, {_count(run['rounds'], 'round')}")
        header = ["forward", "grad input", "grad weight", "both", "GFLOP/s", "in turn", "error"]
        print_table("", header, [_layer_row(row) for row in run["rows"] if row["status"] == "ok"])
        auto = run["auto"]
        if auto:
            ratio = auto["ratio_to_best"]
            print(f"auto takes {auto['algorithm']}"
                  + (f": {ratio:.2f} times the time of minicnn's fastest" if ratio else ""))
        _print_reasons(run["rows"])


def _layer_row(row):
    both = row["both"]
    beyond = f" (> {row['error_bound']:g})" if exceeds_bound(row) else ""
    return [row["name"], *(_ms(row[one]["median_ms"]) for one in PASSES), f"{both['gflops']:.0f}",
            _number(both["ratio_in_turn"], ".2f"), " ".join(f"{error:.2g}" for error in row["errors"].values())
            + beyond]


def print_profile(result):
    """What `minicnn bench train --profile` found."""
    _print_machine(result)
    for run in result["runs"]:
        print(f"\n{run['title']}, {_count(run['repeats'], 'repeat')}; medians in ms")
        print_table("", ["forward", "backward", "sum", "share"], [
            [row["name"], _number(row["forward_ms"], ".2f"), _number(row["backward_ms"], ".2f"), f"{row['ms']:.2f}",
             f"{row['share']:.1%}"] for row in run["rows"]]
            + [["sum", "", "", f"{sum(row['ms'] for row in run['rows']):.2f}", ""],
               ["whole step, measured", "", "", f"{run['step_ms']:.2f}", "100.0%"]])


def print_found(result):
    """What `minicnn bench conv --find` found."""
    _print_machine(result)
    for run in result["runs"]:
        print(f"\n{run['network']} {run['case']}: {run['layer']}, batch {run['batch_size']}, "
              f"{_count(run['threads'], 'thread')}; auto takes {run['auto']}")
        header = ["forward ms", "backward ms", "workspace MB", "error bound"]
        print_table("", header, [_found_row(record) for record in run["records"] if record["reason"] is None])
        for record in run["records"]:
            if record["reason"] is not None:
                print(f"{record['algorithm']}: {record['reason']}")


def _found_row(record):
    bound = f"{record['error_bound']:g}" + (" of the largest" if record["error_norm"] == "largest" else "")
    return [record["algorithm"], _ms(record["forward"] * 1e3), _ms(record["backward"] * 1e3),
            f"{record['workspace'] / 1e6:.1f}", bound]


def _print_machine(result):
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    busy = "" if result["load_before"] is None else f", load before {result['load_before']:.1f}"
    print(f"{result['cpu']}, {_count(result['cores'], 'core')}{busy}, {result['date']}\n{versions}")


def _print_reasons(rows):
    for row in rows:
        if row["status"] != "ok":
            print(f"{row['name']}: {row['status'].upper()}, {row['reason']}")


def _ms(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _number(value, form):
    return "" if value is None else f"{value:{form}}"


def _count(number, noun):
    return f"{number} {noun}{'s' * (number != 1)}"
