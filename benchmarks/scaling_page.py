"""The page and the picture of `scaling.py`: what was measured, and what the model predicts from it."""

import sys
from statistics import median

from scaling import BATCH
from scaling_model import NETWORKS, RANKS, eaten, fit_link, fit_work, strong, weak

from minicnn import viz
from minicnn.viz.figure import Figure
from minicnn.viz.style import GREY, STYLES, add_grid, plain_numbers

GLOBAL = 1024                                           # images of all ranks together, for strong scaling
TITLES = {"lenet": "LeNet", "vgg": "VGG-like"}


def step(found, way):
    """The median seconds of a step."""
    return median(found[way]["step"])


def kept_by_two(found):
    """The measured part of the speed that two ranks keep, with as many images each as the single one."""
    return step(found, f"1 rank, 1 thread, batch {BATCH}") / step(found, f"2 ranks, batch {2 * BATCH}, overlap")


def work_of(found):
    """The model's work of a network, from the steps of one rank with one thread."""
    seconds = {batch: step(found, f"1 rank, 1 thread, batch {batch}") for batch in (BATCH // 4, BATCH // 2, BATCH)}
    one = found[f"1 rank, 1 thread, batch {BATCH}"]
    return fit_work(seconds, median(b / s for b, s in zip(one["backward"], one["step"], strict=True)), one["gradients"])


def measured(name, found, here):
    """Lines of the table of what was measured."""
    work, two = work_of(found), f"2 ranks, batch {BATCH}, "
    whole, alone = step(found, f"1 rank, 2 threads, batch {BATCH}"), step(found, two + "nothing")
    during, after = (step(found, two + how) for how in ("overlap", "after"))
    cells = [f"{work.size / 1e6:.2f} MB", f"{BATCH / whole:,.0f}", f"{BATCH / during:,.0f}", f"{whole / during:.2f}",
             f"{kept_by_two(found):.2f}", f"{1e3 * (during - alone):.1f} ms", f"{1e3 * (after - alone):.1f} ms",
             f"{work.step(BATCH / 2, 2, here) / during:.2f}"]
    return f"| {TITLES[name]} | {' | '.join(cells)} |"


def predicted(name, found):
    """Lines of the table of what is predicted."""
    work = work_of(found)
    for net, link in NETWORKS.items():
        speeds, kept = strong(work, GLOBAL, link), weak(work, BATCH, link)
        gains = " | ".join(f"{speeds[n] / speeds[1]:,.1f}; {100 * kept[n]:.0f} %" for n in (4, 16, 64, 256, 1024))
        first = eaten(work, GLOBAL, link)
        yield f"| {TITLES[name]}, {net} | {gains} | {'not up to 1,024' if first is None else f'{first:,}'} |"


def write(result, out):
    """Write scaling.md and scaling.png."""
    here = fit_link({int(size): seconds for size, seconds in result["messages"].items()})
    networks, machine = {name: result[name] for name in TITLES if name in result}, result["machine"]
    lines = [
        "# Data-parallel training", "",
        f"`{result['command']}`, {machine['cpu']}, {machine['cores']} cores, minicnn {machine['versions']['minicnn']}, "
        f"{machine['date'][:10]}, load before {machine['load_before']}. `scaling_page.py` makes this page.", "",
        "## Measured on this computer", "",
        f"An image has 28 x 28 pixels, a global batch {BATCH} images. Two ranks have one thread each. Between them an "
        f"Allreduce takes {2e6 * here.latency:.1f} µs plus {1e9 / here.bandwidth:.2f} ms for each MB (fitted).", "",
        "| network | gradients | images/s, 1 rank of 2 threads | images/s, 2 ranks | ratio | weak scaling: batch "
        f"{BATCH} on 1 rank against {2 * BATCH} on 2 | 2 ranks wait: messages during the backward pass | after it | "
        "model / measured |", "|---|---|---|---|---|---|---|---|---|",
        *[measured(name, found, here) for name, found in networks.items()], "",
        "## Predicted", "",
        "Not measured. `scaling_model.py` has the formulas and what they assume. How many times as fast as one rank "
        f"with a global batch of {GLOBAL:,} images; and the part of the speed kept with {BATCH} images on each rank. "
        "The last column: so many ranks wait longer for messages than they compute, with the global batch.", "",
        "| network, link of each rank | 4 ranks | 16 | 64 | 256 | 1,024 | communication eats the gain at |",
        "|---|---|---|---|---|---|---|",
        *[line for name, found in networks.items() for line in predicted(name, found)], "", "![](scaling.png)"]
    (out / "scaling.md").write_text("\n".join(lines) + "\n")
    viz.save(draw(networks), out / "scaling.png")
    print(f"{out / 'scaling.md'} and scaling.png are written", file=sys.stderr)


def draw(networks):
    """For each network: strong scaling above, weak scaling below. Only the filled points were measured."""
    figure = Figure(figsize=(5.2 * len(networks), 7.4), layout="constrained")
    axes = figure.subplots(2, len(networks), squeeze=False, sharex=True, sharey="row")
    for (name, found), above, below in zip(networks.items(), *axes, strict=True):
        work = work_of(found)
        above.plot(RANKS, RANKS, color=GREY, linestyle=":", label="as many times as ranks")
        for (net, link), (colour, marker) in zip(NETWORKS.items(), STYLES, strict=False):
            speeds, kept = strong(work, GLOBAL, link), weak(work, BATCH, link)
            label, look = f"predicted, {net}", {"color": colour, "marker": marker, "markerfacecolor": "white"}
            above.plot(list(speeds), [speed / speeds[1] for speed in speeds.values()], label=label, **look)
            below.plot(list(kept), [100 * part for part in kept.values()], label=label, **look)
            if first := eaten(work, GLOBAL, link):
                above.axvline(first, color=colour, linewidth=0.8, linestyle="--")
                above.annotate(" waits more than\n it computes", (first, 1), color=colour, fontsize=8)
        below.plot([1, 2], [100, 100 * kept_by_two(found)], "o", color="black", label="measured here")
        above.set(title=f"{TITLES[name]}, {work.size / 1e6:.2f} MB of gradients", xscale="log", yscale="log")
        below.set(xlabel="ranks", ylim=(0, 108))
        for axis in (above.xaxis, above.yaxis):
            plain_numbers(axis)
        for one in (above, below):
            add_grid(one)
            one.legend(fontsize=8, loc="upper left" if one is above else "lower left")
    axes[0][0].set_ylabel(f"times as fast as 1 rank,\n{GLOBAL:,} images in all")
    axes[1][0].set_ylabel(f"part of the speed kept, %,\n{BATCH} images on each rank")
    return figure
