"""The results of `minicnn bench` as text: one function for each kind of result."""

from __future__ import annotations

from ..bench.layer_summary import NEAR
from .output import HIDDEN, Column, print_table, print_text

NAME = Column("", left=True, least=16)
TRAINING_COLUMNS = (
    NAME, Column("median"), Column("in turn"), Column("error", 1), Column("ratio", 2), Column("quartiles", 5),
    Column("peak MB", 3), Column("first step s", 4), Column("import MB", 6), Column("least", 7), Column("steps", 8))
LAYER_COLUMNS = (NAME, Column("both"), Column("in turn"), Column("error", 1), Column("forward", 2),
                 Column("grad input", 3), Column("grad weight", 4), Column("GFLOP/s", 5))
PROFILE_COLUMNS = NAME, Column("forward", 2), Column("backward", 3), Column("sum"), Column("share", 1)
FIXED_COLUMNS = (NAME, Column("threads"), Column("fixed ms"), Column("quartiles", 3), Column("ms an image"),
                 Column("off the line", 2))
PRODUCT_COLUMNS = NAME, Column("median ms", 1), Column("GFLOP/s"), Column("part of the product")
FOUND_COLUMNS = (NAME, Column("forward ms"), Column("backward ms"), Column("workspace MB", 2), Column("error bound", 1))


def print_training(result: dict) -> None:
    """Print the result of `minicnn bench train`."""
    _print_machine(result)
    tables = []
    for run in result["runs"]:
        print_text(f"\n{run['title']}, {_count(run['rounds'], 'round')} in turn; times in ms")
        tables.append(print_table(TRAINING_COLUMNS, [_training_row(row, run["task"] == "forward") for row in run["rows"]
                                                     if row["status"] == "ok"]))
        _print_reasons(run["rows"])
    _print_legend(tables, {
        "ratio": f"the median divided by that of {result['runs'][0]['base']}",
        "in turn": "median of the ratios within a round", "import MB": "memory after the import",
        "peak MB": "the most memory up to the last step",
        "first step s": "in a new process; compilers may have cached parts of it on disk"})


def _print_legend(tables, meanings):
    """Explain the columns that the tables show."""
    shown = " ".join(text.partition(HIDDEN)[0] for text in tables)
    print_text("\n" + " ".join(f"{title}: {meaning}." for title, meaning in meanings.items() if title in shown))


def _training_row(row, with_error):
    return [row["name"], _ms(row["median_ms"]), _number(row["ratio_in_turn"], ".2f"),
            _number(row["error"], ".0e") if with_error else "", _number(row["ratio"], ".2f"),
            f"{_ms(row['q1_ms'])} - {_ms(row['q3_ms'])}", _number(row["peak_mb"], ".0f"),
            _number(row["first_step_s"], ".2f"), _number(row["import_mb"], ".0f"), _ms(row["min_ms"]),
            f"{row['steps']}"]


def print_layers(result: dict) -> None:
    """Print the result of `minicnn bench conv`."""
    _print_machine(result)
    tables = []
    for run in result["runs"]:
        print_text(f"\n{_layer_title(run)}, {_count(run['rounds'], 'round')}; medians in ms")
        tables.append(print_table(LAYER_COLUMNS, [_layer_row(row) for row in run["rows"] if row["status"] == "ok"]))
        if run["auto"]:
            ratio = run["auto"]["ratio_to_best"]
            print_text(f"auto chose {run['auto']['algorithm']}" + (
                "" if not ratio else ", the fastest" if ratio < 1.005 else
                f"; it takes {ratio:.2f} times as long as the fastest algorithm of minicnn"))
        _print_reasons(run["rows"])
    _print_legend(tables, {
        "both": "forward and then both gradients", "GFLOP/s": "of the definition's work",
        "error": "of the output and the gradients of input and weight; the worst sampled element, in units of "
                 "eps (|w| * |x|)"})
    for summary in result.get("summary", ()):
        _print_summary(summary)


def _print_summary(summary):
    size = f", batch {summary['batch_size']}" if summary["batch_size"] else ""
    print_text(f"\nsummary of {_count(summary['layers'], 'layer')} ({summary['set']}{size}, "
               f"{_count(summary['threads'], 'thread')})")
    for one, title in ("forward", "forward"), ("both", "forward and both gradients"):
        if found := summary[one]:
            print_text(f"{title}: the fastest other library takes {found['geometric_mean']:.2f} times as long as auto "
                       f"(geometric mean of {_count(found['count'], 'layer')}); the least: {found['least']:.2f}, "
                       f"{found['layer']}")
    if auto := summary["auto"]:
        print_text(f"auto is within {NEAR - 1:.0%} of minicnn's fastest algorithm in {auto['near']} of "
                   f"{_count(auto['of'], 'layer')} ({auto['share']:.0%})")


def _layer_title(run):
    return (f"{run['network']} {run['case']}: {run['layer']}, batch {run['batch_size']}, "
            f"{_count(run['threads'], 'thread')}")


def _layer_row(row):
    from ..bench.layers import exceeds_bound
    both, beyond = row["both"], f" (> {row['error_bound']:g})" if exceeds_bound(row) else ""
    return [row["name"], _ms(both["median_ms"]), _number(both["ratio_in_turn"], ".2f"),
            " ".join(f"{error:.2g}" for error in row["errors"].values()) + beyond,
            *(_ms(row[one]["median_ms"]) for one in ("forward", "grad_input", "grad_weight")), f"{both['gflops']:.0f}"]


def print_profile(result: dict) -> None:
    """Print the result of `minicnn bench train --profile`."""
    _print_machine(result)
    for run in result["runs"]:
        print_text(f"\n{run['title']}, {_count(run['repeats'], 'repeat')}; medians in ms")
        print_table(PROFILE_COLUMNS, [
            [row["name"], _number(row["forward_ms"], ".2f"), _number(row["backward_ms"], ".2f"), f"{row['ms']:.2f}",
             f"{row['share']:.1%}"] for row in run["rows"]]
            + [["sum", "", "", f"{sum(row['ms'] for row in run['rows']):.2f}", ""],
               ["whole step, measured", "", "", f"{run['step_ms']:.2f}", "100.0%"]])


def print_found(result: dict) -> None:
    """Print the result of `minicnn bench conv --find`."""
    _print_machine(result)
    for run in result["runs"]:
        print_text(f"\n{_layer_title(run)}; auto chose {run['auto']}")
        print_table(FOUND_COLUMNS, [
            [record["algorithm"], _ms(record["forward"] * 1e3), _ms(record["backward"] * 1e3),
             f"{record['workspace'] / 1e6:.1f}",
             f"{record['error_bound']:g}" + (" of the largest" if record["error_norm"] == "largest" else "")]
            for record in run["records"] if record["reason"] is None])
        for record in run["records"]:
            if record["reason"] is not None:
                print_text(f"{record['algorithm']}: {record['reason']}")


def print_fixed(result: dict) -> None:
    """Print the result of `minicnn bench train --fixed`."""
    _print_machine(result)
    for run in result["runs"]:
        print_text(f"\nLeNet training step, batch {', '.join(map(str, run['batch_sizes']))}, "
                   f"{_count(run['rounds'], 'round')} in turn: time = fixed part + batch * time of an image")
        print_table(FIXED_COLUMNS, [
            [row["name"], str(row["threads"]), f"{row['fixed_ms']:.2f}",
             f"{row['fixed_q1_ms']:.2f} - {row['fixed_q3_ms']:.2f}", f"{row['image_ms']:.3g}",
             f"{row['deviation']:.0%}"]
            for row in run["rows"] if row["status"] == "ok"])
        _print_reasons(run["rows"])
        for row in run["rows"]:
            if row["predicted"]:
                steps = ", ".join(f"{_ms(ms)} ms (batch {size})" for size, ms in row["predicted"])
                parts = row["parts"]
                print_text(f"predicted, not measured: {row['name']} on {run['cores']} cores: {steps}; by time = "
                           f"{parts['fixed']:.2f} + batch * ({parts['serial']:.3g} + {parts['parallel']:.3g} / cores)")


def print_product(result: dict) -> None:
    """Print the result of `minicnn bench product`."""
    _print_machine(result)
    for run in result["runs"]:
        print_text(f"\n{run['layer']}, batch {run['batch_size']}, {_count(run['threads'], 'thread')}, "
                   f"{_count(run['rounds'], 'round')} in turn with a product of two matrices of 1,024 x 1,024")
        print_table(PRODUCT_COLUMNS, [[row["name"], _ms(row["median_ms"]), f"{row['gflops']:.0f}", f"{row['part']:.2f}"]
                                      for row in run["rows"]])


def _print_machine(result):
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    print_text(f"{result['cpu']}, {_count(result['cores'], 'core')}, load before {result['load_before']:.1f}, "
               f"{result['date']}")
    print_text(versions)
    told = {}                                       # library -> what it says that it uses
    for one in (one for run in result["runs"] for one in (run, *run.get("rows", ()))):
        if one.get("instructions"):
            told[one["library"]] = one["instructions"]
        if one.get("blas"):
            told["NumPy's BLAS"] = one["blas"]
    print_text(f"instructions: {result['instructions']}" + "".join(f"; {name}: {what}" for name, what in told.items()))


def _print_reasons(rows):
    for row in rows:
        if row["status"] != "ok":
            print_text(f"{row['name']}: {row['status'].upper()}, {row['reason']}")


def _ms(value):
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _number(value, form):
    return "" if value is None else f"{value:{form}}"


def _count(number, noun):
    return f"{number} {noun}{'s' * (number != 1)}"
