"""The pictures of the page: witnesses, wrong pixels, impulse responses and their spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...viz import colour_scale, heat_map
from ...viz.heat_map import SIDE
from ..domains import ShiftedPair, visible
from ..impulse import ImpulseResponse
from ..report import Report
from ..witness import Witness
from .html import figure, grid, heading, paragraph
from .words import LAWS

KERNELS = 12                    # the most kernels in pictures
NUMBERS = 15                    # the largest kernel whose numbers are shown
WORK = 2e8                      # multiply-adds of the singular values for all frequencies; this takes about a second


def witness_section(witness: Witness) -> str:
    """A witness in words and in pictures: its images, the two sides of the law, and their difference."""
    name, _ = LAWS[witness.law.name]
    inputs = _inputs(witness)
    largest = max(float(np.abs(image).max()) for _, image in inputs)
    figures = [_picture(title, image, largest) for title, image in inputs]
    if witness.planes is not None:
        left, right, wrong, known = witness.planes
        titles, brightest = str(witness.law).split(" = "), float(max(np.abs(left).max(), np.abs(right).max()))
        figures += [_picture(title, side, brightest) for title, side in zip(titles, (left, right), strict=True)]
        words = f"difference: {int(wrong.sum())} of {int(known.sum())} pixels are wrong, with an outline"
        figures.append(_picture(words, np.where(known, left - right, 0), marked=wrong, known=known))
    channels = [f"input channel {_brightest_channel(witness)}"] * (len(witness.inputs[0]) > 1)
    channels += [f"output channel {witness.pixel[0]}"] * (witness.planes is not None)
    return (heading(f"{name}: broken", 3) + paragraph(f"{witness}. This is the smallest input that was found.") +
            _group(figures, f"The pictures show {' and '.join(channels)}." if channels else ""))


def wrong_pixels(report: Report) -> str:
    """Maps of the output pixels at which some tried image breaks a law; "" if there are none."""
    figures = []
    for law, failing in (("op(S f) = S op(f) for a shift by one pixel", report.shift_failing),
                         ("op(f) = op(0) + h * f", report.failing)):
        if failing is not None and failing.any():
            rows, columns = np.nonzero(failing)
            words = (f"{law}: {len(rows)} of {failing.size} output pixels are wrong, rows {rows.min()} to "
                     f"{rows.max()}, columns {columns.min()} to {columns.max()}")
            figures.append(figure(heat_map(failing.astype(float), words, marked=failing), words))
    return _group(figures, few=True) if figures else ""


def response_section(h: ImpulseResponse) -> str:
    """The impulse response as pictures and as numbers."""
    kernel = np.where(np.abs(h.kernel) > h.rounding, h.kernel, 0)
    outs, ins, height, width = kernel.shape
    pairs = [(o, i) for o in range(outs) for i in range(ins)]
    strongest = max(pairs, key=lambda pair: np.abs(kernel[pair]).max())
    largest = float(np.abs(kernel).max())
    figures = [_picture(f"h, output channel {o} from input channel {i}" if len(pairs) > 1 else "h", kernel[o, i],
                        largest) for o, i in pairs[:KERNELS]]
    sums = [f"{one:.6g}" for one in sorted(kernel.sum((1, 2, 3)))]
    text = (f"{str(h).splitlines()[0]}. The origin is the place (row, column) of h that meets the pixel itself. The "
            f"largest magnitude is {largest:.6g}. The sum of the weights is " +
            (f"{sums[0]}." if outs == 1 else f"from {sums[0]} to {sums[-1]}, a number for each output channel."))
    text += " The bias is left out." if h.offset.any() else ""
    if len(pairs) > KERNELS:
        text += f" The pictures show {KERNELS} of {len(pairs)} pairs of channels."
    which = f", output channel {strongest[0]} from input channel {strongest[1]}" if len(pairs) > 1 else ""
    if max(height, width) > NUMBERS:
        numbers = paragraph(f"{height} x {width} numbers are too many for a table here; --json has them all.", "soft")
    else:
        numbers = grid(f"The numbers of h{which}", [[f"{value:.6g}" for value in row] for row in kernel[strongest]])
    return paragraph(text) + _group(figures, few=len(figures) < 3) + numbers


def spectrum_section(h: ImpulseResponse) -> str:
    """The magnitude of the transfer function: how much of each frequency the operator lets through."""
    kernel = np.where(np.abs(h.kernel) > h.rounding, h.kernel, 0)
    outs, ins, *own = kernel.shape
    size = [max(n, axis.fine) for n, axis in zip(own, h.axes, strict=True)]
    pair, words = (slice(None), slice(None)), "the largest singular value of the matrix of channels at each frequency"
    if outs * ins * min(outs, ins) * size[0] * size[1] > WORK:
        o, i = divmod(int(np.abs(kernel).max((2, 3)).argmax()), ins)
        pair, words = (slice(o, o + 1), slice(i, i + 1)), f"|H| of output channel {o} from input channel {i}"
    H = np.fft.fft2(kernel[pair], s=size).transpose(2, 3, 0, 1)                             # (H, W, C_out, C_in)
    single = H.shape[2:] == (1, 1)
    gain = np.abs(H[..., 0, 0]) if single else np.linalg.norm(H, 2, (2, 3))
    words = "|H|" if outs * ins == 1 else words
    least = np.unravel_index(gain.argmin(), gain.shape)
    most = np.unravel_index(gain.argmax(), gain.shape)
    text = (f"A wave with v periods down and u periods across the image keeps its frequency, and its height is "
            f"multiplied by the gain, {words}. The gain at frequency 0, for an image without any structure, is "
            f"{gain[0, 0]:.6g}. The largest gain is {gain.max():.6g} at {_frequency(most, size)}, the smallest one "
            f"{gain.min():.6g} at {_frequency(least, size)}.")
    (down, before), (across, beside) = ((axis.alpha, axis.beta) for axis in h.axes)
    if (down, across) != (1, 1):
        text += (f" After that the operator keeps only every {down} x {across}-th pixel, and a high frequency appears "
                 "as a lower one.")
    if (before, beside) != (1, 1):
        text += f" Before that the operator puts zeros between the pixels, {before} x {beside} times as many pixels."
    if not h.axes[0].periodic:
        text += " This holds inside of the image; at its border a wave ends."
    centred = np.fft.fftshift(gain)
    caption = (f"gain of {size[0]} x {size[1]} frequencies; frequency 0 is in the middle, u grows to the right, v down")
    return paragraph(text) + _group([_picture(caption, centred, signed=False)], few=True)


def _inputs(witness: Witness) -> list[tuple[str, np.ndarray]]:
    """The images of a witness as the operator sees them, each with a title; (H, W) of the brightest channel."""
    law, window, channel = witness.law, witness.domain == "window", _brightest_channel(witness)
    f, margin = witness.inputs[0][None], witness.size if window else (0, 0)
    named: list[tuple[str, Any]]
    if law.name == "equivariance":
        pair = ShiftedPair.of(f, law.by, witness.domain, witness.size, margin)              # type: ignore[attr-defined]
        moved = f"S f, the image that is moved by {law.by[0]} down, {law.by[1]} to the right"   # type: ignore[attr-defined]
        named = [("f, the image", pair.before), (moved, pair.after)]
    elif law.name == "convolution":
        named = [("f, the image", visible(f, witness.size, margin))]
    else:
        named = [(f"{name}, {'an' if len(witness.inputs) > 1 else 'the'} image", one[None])
                 for name, one in zip("fg", witness.inputs, strict=False)]
    return [(title, image[0, channel]) for title, image in named]


def _brightest_channel(witness):
    return int(np.abs(witness.inputs[0]).max((1, 2)).argmax())


def _frequency(place, size):
    v, u = (int(i) if i <= n // 2 else int(i) - n for i, n in zip(place, size, strict=True))
    return f"v = {v}, u = {u}"


def _picture(title, values, largest=None, signed=True, **marks):
    """A figure of an image (H, W) with its scale."""
    largest = float(np.abs(values).max()) if largest is None else largest
    y, x = np.unravel_index(np.abs(values).argmax(), values.shape)
    alt = (f"{title}. {values.shape[0]} x {values.shape[1]} pixels from {values.min():.4g} to {values.max():.4g}; the "
           f"largest magnitude is at row {y}, column {x}")
    step = -(-max(values.shape) // SIDE)
    note = f"each square stands for {step} x {step} pixels" if step > 1 else ""
    if "known" in marks and not marks["known"].all():
        note = f"grey: not compared; {note}".removesuffix("; ")
    scale = f"{-largest:.4g}" if signed else "0", colour_scale(largest, signed), f"{largest:.4g}"
    return figure(heat_map(values, alt, largest, signed=signed, **marks), title, scale, note)


def _group(figures, note="", few=False):
    return (f'<div class="pictures{" few" * few}">{"".join(figures)}</div>' + (paragraph(note, "soft") if note else ""))
