"""The table of one instruction set in RESULTS.md: a line or more for each row of `rows.ROWS`.

A line has the work, the result, the figures behind it, and where it was measured. Each figure comes from the stored
measurement of the row.
"""

from rows import ROWS

from minicnn.bench.layer_summary import NEAR, summarise

TITLES = ("work (row)", "result", "figures", "measured on")
NOT_MEASURED = "not measured"
LARGE_BATCHES = (64, 256)                         # whose steps on many cores are in the table
NAMES = {"minicnn": "minicnn", "torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX", "mygrad": "MyGrad",
         "numpy": "NumPy"}
EAGER = ("nchw", "channels_last")                 # PyTorch's formats


def lines(measured):
    """The lines of the table, from {row: measurement}. A row that was not measured says so."""
    for name, row in ROWS.items():
        if name not in measured:
            yield f"{row.work} (`{name}`)", NOT_MEASURED, "", ""
            continue
        result = measured[name]
        for work, found, figures in LINES[result["benchmark"]](name, result):
            yield f"{work} (`{name}`)", found, figures, where(result)
    yield auto_line(measured)


def where(result):
    """The processor, the date, and the instruction sets that the libraries reported."""
    told = {}
    for row in (row for run in result["runs"] for row in run["rows"]):
        if row["instructions"]:
            told[NAMES.get(row["library"], row["library"])] = row["instructions"]
        if row["blas"]:
            told["BLAS"] = row["blas"]
    sets = ", ".join(f"{library}: {what}" for library, what in told.items())
    return f"{result['cpu']}, {result['date'][:10]}, minicnn {result['versions']['minicnn']}; {sets}"


def step_lines(name, result):
    """Of `bench train`: minicnn beside the fastest other library. The row "textbook" names every library."""
    work, run = ROWS[name].work, result["runs"][0]
    ours = next(row for row in run["rows"] if row["library"] == "minicnn")
    others = [row for row in run["rows"] if row["library"] != "minicnn" and row["status"] == "ok"
              and row["ratio_in_turn"] is not None]
    if ours["status"] != "ok":
        yield failed(work, ours)
        return
    if not others:
        yield work, "no other library", f"minicnn {ms(ours['median_ms'])} ms"
        return
    figures = lambda row: f"minicnn {ms(ours['median_ms'])} ms, {row['name']} {ms(row['median_ms'])} ms"
    times = lambda row: f"{row['ratio_in_turn']:.2f} times as fast"
    if name == "textbook":
        for row in others:
            yield f"{work}, against {row['name']}", times(row), figures(row)
        return
    fastest = lambda rows: min(rows, key=lambda row: row["ratio_in_turn"])
    yield f"{work}, against the fastest", times(fastest(others)), figures(fastest(others))
    eager = [row for row in others if row["library"] == "torch" and row["variant"] in EAGER]
    if name == "forward-1" and eager:
        yield f"{work}, against PyTorch's fastest eager format", times(fastest(eager)), figures(fastest(eager))


def failed(work, row):
    """The line of a row in which minicnn failed or was wrong."""
    return work, f"{row['library']}: {row['status']}", row["reason"]


def fixed_lines(name, result):
    """Of `bench train --fixed`: the intercept with the most threads, and the predicted step on many cores."""
    run = result["runs"][0]
    row, *others = (row for row in run["rows"] if row["threads"] == max(run["threads"]))
    others = [other for other in others if other["status"] == "ok"]
    if row["status"] != "ok":
        yield failed(ROWS[name].work, row)
        return
    yield (f"{ROWS[name].work}, the intercept over batches {run['batch_sizes'][0]} to {run['batch_sizes'][-1]}, "
           f"{threads(row['threads'])}", f"{row['fixed_ms']:.2f} ms",
           "; ".join([f"quartiles {row['fixed_q1_ms']:.2f} to {row['fixed_q3_ms']:.2f} ms",
                      *(f"{other['name']} {other['fixed_ms']:.2f} ms" for other in others)]))
    for size in LARGE_BATCHES if row["parts"] else ():
        steps = {one["name"]: dict(one["predicted"])[size] for one in (row, *others) if one["predicted"]}
        yield (f"LeNet training step, batch {size}, {run['cores']} cores: predicted",
               f"{ms(steps.pop(row['name']))} ms (predicted, not measured)",
               "; ".join([formula(row["parts"]), *(f"{other} {ms(one)} ms (predicted)"
                                                   for other, one in steps.items())]))


def formula(parts):
    """The prediction's formula with its numbers."""
    return (f"{parts['fixed']:.2f} + batch * ({parts['serial']:.3g} + {parts['parallel']:.3g} / cores) ms")


def layer_lines(name, result):
    """Of `bench conv`: the mean and the least ratio of both passes. Without other libraries there is no line."""
    for found in summarise(result["runs"]):
        for one, what in ("forward", "forward"), ("both", "forward and both gradients"):
            if ratios := found[one]:
                yield (f"{ROWS[name].work}, {what}, against the fastest for each layer",
                       f"geometric mean {ratios['geometric_mean']:.2f} times as fast; least {ratios['least']:.2f}",
                       f"{ratios['count']} of {found['layers']} layers; the least is {ratios['layer']}")


def product_lines(name, result):
    """Of `bench product`: each pass as a part of the matrix product."""
    product, *passes = result["runs"][0]["rows"]
    for row in passes:
        yield (f"{ROWS[name].work}, {row['name'].partition(', ')[2]}, beside {product['name']} of 1024 x 1024",
               f"{row['part']:.2f} of its speed", f"{row['gflops']:.0f} of {product['gflops']:.0f} GFLOP/s")


def auto_line(measured):
    """How often auto chooses well in all layers that were measured."""
    counted = {name: found for name, result in measured.items() if result["benchmark"] == "conv"
               for found in (choices(result),) if found}
    work = f"layers in which `auto` takes at most {NEAR:.2f} times as long as minicnn's fastest algorithm"
    if not counted:
        return work, NOT_MEASURED, "", ""
    near, of = (sum(found[key] for found in counted.values()) for key in ("near", "of"))
    figures = ", ".join(f"{name}: {found['near']} of {found['of']}" for name, found in counted.items())
    return work, f"{near / of:.0%}", figures, where(measured[next(iter(counted))])


def choices(result):
    """{"near", "of"}: how many choices of auto are near the best, of how many; None without any."""
    found = [summary["auto"] for summary in summarise(result["runs"]) if summary["auto"]]
    return {key: sum(one[key] for one in found) for key in ("near", "of")} if found else None


def threads(count):
    """As in "2 threads"."""
    return f"{count} thread{'s' * (count != 1)}"


def ms(value):
    """Milliseconds with three digits; from 100 on, without decimals."""
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


LINES = {"train": step_lines, "fixed": fixed_lines, "conv": layer_lines, "product": product_lines}
