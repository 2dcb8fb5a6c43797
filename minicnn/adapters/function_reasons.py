"""Why a function inside of a network breaks equivariance to shifts, and what would mend it: a table by its name."""

from __future__ import annotations

from typing import Any

AROUND = "it pads with the pixels of the opposite side of the image: judge it on the torus"
WRITES = "it writes at fixed places of the image: use places relative to each pixel"
REASONS = {                     # names of functions: what they do
    ("flip", "fliplr", "flipud"): "it mirrors the image, and with it each shift: a shift to the right becomes one to "
                                  "the left",
    ("rot90", "permute", "transpose", "swapaxes", "movedim"): "it turns the image, and with it each shift: a shift "
                                                              "down becomes one across",
    ("grid_sample", "affine_grid"): "it samples the image at places that are fixed, or that stretch the grid, and "
                                    "interpolates between pixels: sample at places relative to each pixel, by whole "
                                    "pixels, with padding that fits the domain",
    ("matmul", "mm", "bmm", "einsum", "tensordot"): "its matrix treats each row or column in its own way: multiply "
                                                    "channels only, or convolve",
    ("cumsum", "cumprod", "cummax", "cummin", "sort", "argsort", "tril", "triu"): "it counts from one side of the "
                                                                                   "image",
    ("fold", "unfold", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle"): "it moves pixels by their places in a "
                                                                               "fixed grid",
    ("index_fill", "index_copy", "index_add", "select_scatter", "slice_scatter"): WRITES,
    ("gather", "scatter", "take", "take_along_dim", "index_select", "index_put"): "it takes pixels from fixed places: "
                                                                                  "use places relative to each pixel, "
                                                                                  "modulo the size on the torus",
    ("view", "view_as", "reshape", "reshape_as", "unflatten", "ravel"): "it gives each position its own place: pool "
                                                                        "over all positions before it",
    ("rand_like", "randn_like", "bernoulli", "rrelu", "gumbel_softmax"): "it draws random numbers: call eval(), or "
                                                                         "give it none",
    ("scaled_dot_product_attention", "multi_head_attention_forward"): "it compares each position with each other one: "
                                                                      "its mask and its embedding of positions must "
                                                                      "depend on differences of positions only",
}
PLACED = {"add", "sub", "mul", "div", "pow", "cat", "stack", "where", "masked_fill", "maximum", "minimum", "lerp",
          "addcmul", "iadd", "imul", "isub", "radd", "rmul"}


def function_reason(call: Any, name: str, domain: str) -> str:
    """The reason for a FunctionCall; "" for a layer, and for a function that breaks nothing, such as roll.

    >>> from minicnn.adapters.steps import FunctionCall
    >>> function_reason(FunctionCall("flip", {}), "flip", "torus")
    'it mirrors the image, and with it each shift: a shift to the right becomes one to the left'
    """
    if not hasattr(call, "layer_name"):
        return ""
    if places := places_in(call):
        return (f"it uses a tensor {places} with a value for each position, as an embedding of positions: leave it "
                "out, or use positions relative to each pixel")
    if name == "functions between layers":
        return ("functions outside of the library's layers make it, which are not seen one by one: look for a pool, "
                "padding, an index or an embedding of positions there")
    if name in ("view", "view_as", "reshape", "reshape_as", "unflatten") and getattr(call, "image", False):
        return ("it moves pixels by their places into other rows and columns, as a partition into windows does: keep "
                "the rows and columns, or let each pixel have its own window")
    if name == "setitem" or getattr(call, "part", False):
        return WRITES
    if name == "getitem":
        return _index(call.index)
    if name == "pad":
        return _pad(call, domain)
    return next((text for names, text in REASONS.items() if name in names), "")


def orders_places(layer: Any) -> bool:
    """Whether a layer or call goes through positions from one side, also if its output is no image."""
    name = getattr(layer, "layer_name", getattr(layer, "operator", type(layer).__name__))
    return name in ("CumSum", "ReverseSequence", "LSTM", "GRU", "RNN", "flip", "cumsum", "cumprod", "cummax", "cummin",
                    "sort", "argsort")


def places_in(call: Any) -> tuple[int, ...] | None:
    """The shape of the constant with a value for each position that a call adds, multiplies or joins; None if none."""
    if hasattr(call, "operator"):                       # a node of ONNX
        return call.places
    return getattr(call, "places", None) if getattr(call, "layer_name", "") in PLACED else None


def _index(index):
    steps = [one.step for one in index if isinstance(one, slice) and one.step not in (None, 1)]
    if steps:
        return (f"its step {steps[0]} keeps only shifts by multiples of it: filter before it subsamples, as "
                "BlurPool2d does")
    cut = [one for one in index[-2:] if isinstance(one, slice) and (one.start or one.stop is not None)]
    return "it cuts pixels off at the border: judge it in a window" if cut else ""


def _pad(call, domain):
    mode = getattr(call, "mode", None) or "constant"
    if mode == "circular":
        return "" if domain == "torus" else AROUND
    kind = "zero" if mode == "constant" and not getattr(call, "value", None) else mode
    return (f"its {kind} padding of width {tuple(call.pad)} makes pixels at the border: use mode='circular' on the "
            "torus, or judge it in a window")
