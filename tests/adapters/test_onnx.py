"""ONNX models by onnxruntime: the right verdict, lattice, first node that breaks, and nothing changed by looking."""

import re

import numpy as np
import pytest

from minicnn.equivariance import (
    OperatorError,
    assert_equivariant,
    impulse_response,
    layer_reports,
    verify_convolution,
)
from minicnn.equivariance.layerwise import network_report
from tests.interop.graphs import model_of, one, onnx, small_network

pytest.importorskip("onnxruntime")
RNG = np.random.default_rng(0)
WEIGHT, WIDE = RNG.normal(size=(2, 2, 3, 3)).astype(np.float32), RNG.normal(size=(2, 2, 5, 5)).astype(np.float32)
ALL, TWO, NONE = (1, 1), (2, 2), (None, None)
PLAIN, PLUS = "a convolution", "a convolution plus a constant"
BORDER, CURVED = "not a convolution at the border", "not linear; equivariant to "
STRIDED = "not a convolution, but every 2 x 2-th pixel of one"


def graph(*nodes, inputs=("x",), shape=("N", 2, 8, 8), outputs=("y",), dtype=np.float32, **arrays):
    """A model of opset 19. The names of the arrays are those of the inputs of nodes."""
    for i, node in enumerate(nodes):
        if count := sum(node.op_type == other.op_type for other in nodes[:i]):
            node.name += f"_{count + 1}"
    return model_of(list(nodes), dict.fromkeys(inputs, list(shape)), {"w": WEIGHT, **arrays}, outputs, 19, dtype)


def conv(x="x", y="y", w="w", **attributes):
    return one("Conv", x, w, outputs=[y], **attributes)


def wrap(x, y, width=1):
    """A Pad node around the torus, and its array."""
    return one("Pad", x, "pads", outputs=[y], mode="wrap"), {"pads": np.array([0, 0, width, width] * 2)}


CIRCLE, PADS = wrap("x", "p")
SLICES = [node for x, axis, y in (("x", "2", "rows"), ("rows", "3", "p")) for node in (
    one("Slice", x, "last", "end", f"axis {axis}", outputs=[f"{y} before"]),
    one("Slice", x, "zero", "one", f"axis {axis}", outputs=[f"{y} after"]),
    one("Concat", f"{y} before", x, f"{y} after", outputs=[y], axis=int(axis)))]        # as exporters pad around
ENDS = {name: np.array([n]) for name, n in (("last", -1), ("end", 2 ** 40), ("zero", 0), ("one", 1), ("axis 2", 2),
                                            ("axis 3", 3))}
FLAT = RNG.normal(size=(2 * 8 * 8, 3)).astype(np.float32)
TABLE = RNG.normal(size=(1, 2, 8, 8)).astype(np.float32)
STATISTICS = {"scale": np.float32([2, 3]), "shift": np.float32([0, 1]), "mean": np.float32([1, 2]),
              "var": np.float32([1, 4])}
PAD2 = {"pads": np.array([0, 0, 1, 1] * 2)}
SCALES = {"scales": np.float32([1, 1, 2, 2])}


def resize(**attributes):
    return graph(one("Resize", "x", "", "scales", **attributes), **SCALES)


def residual(stride=1, **arrays):
    """conv -> norm -> relu -> conv, and a short cut; with zero padding."""
    return graph(conv("x", "a", strides=[stride] * 2, pads=[1] * 4),
                 one("BatchNormalization", "a", "scale", "shift", "mean", "var", outputs=["b"]),
                 one("Relu", "b", outputs=["c"]), one("Conv", "c", "w2", outputs=["d"], pads=[1] * 4),
                 one("Conv", "x", "short", outputs=["e"], strides=[stride] * 2), one("Add", "d", "e", outputs=["y"]),
                 w2=WEIGHT, short=WEIGHT[:, :, :1, :1], **STATISTICS)


def unet():
    """A pool, an upsampling, and a concatenation, with circular padding."""
    return graph(CIRCLE, conv("p", "a"), one("MaxPool", "a", outputs=["b"], kernel_shape=[2, 2], strides=[2, 2]),
                 one("Resize", "b", "", "scales", outputs=["c"], mode="nearest",
                     coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
                 one("Concat", "a", "c", outputs=["d"], axis=1), one("Conv", "d", "last", outputs=["y"]),
                 last=RNG.normal(size=(1, 4, 1, 1)).astype(np.float32), **PADS, **SCALES)


def classifier(*end, **arrays):
    """A circular convolution, and the end of a classifier."""
    return graph(CIRCLE, conv("p", "a"), one("Relu", "a", outputs=["b"]), *end, **PADS, **arrays)


def channels_last():
    """As tf2onnx writes it: transposed to the convolution, and back."""
    return graph(one("Transpose", "x", outputs=["a"], perm=[0, 3, 1, 2]),
                 one("Pad", "a", "pads", outputs=["p"], mode="wrap"), conv("p", "b"),
                 one("Transpose", "b", outputs=["c"], perm=[0, 2, 3, 1]), one("Add", "c", "bias"),
                 shape=("N", 8, 6, 2), bias=np.float32([1, 2]), **PADS)


def squeeze_and_excite():
    return graph(one("GlobalAveragePool", "x", outputs=["a"]), one("Conv", "a", "one", outputs=["b"]),
                 one("Sigmoid", "b", outputs=["c"]), one("Mul", "x", "c"), one=WEIGHT[:, :, :1, :1])


def attention():
    """Pixels attend to each other; without positions this is equivariant."""
    return graph(one("Reshape", "x", "rows", outputs=["a"]), one("Transpose", "a", outputs=["k"], perm=[0, 2, 1]),
                 one("MatMul", "k", "a", outputs=["s"]), one("Softmax", "s", outputs=["p"], axis=-1),
                 one("MatMul", "a", "p", outputs=["v"]), one("Reshape", "v", "image"),
                 rows=np.array([0, 2, 64]), image=np.array([0, 2, 8, 8]))


def sequence():
    model = graph(one("SplitToSequence", "x", axis=1))
    model.graph.output[0].type.sequence_type.elem_type.tensor_type.elem_type = 1
    return model


ZERO = "its zero padding of width 1 makes pixels at the border: pad with mode='wrap'"
KNOWN = {               # model, domain, start of the verdict, lattice, the first node that breaks, its reason
    "circular": (graph(CIRCLE, conv("p"), **PADS), "torus", PLAIN, ALL, None, ""),
    "zeros": (graph(conv(pads=[1] * 4)), "torus", BORDER + ", (1, 1, 1, 1)", NONE, "conv", ZERO),
    "zeros on the plane": (graph(conv(pads=[1] * 4)), "plane", PLAIN, ALL, None, ""),
    "no padding": (graph(conv()), "window", PLAIN, ALL, None, ""),
    "same upper": (graph(conv(auto_pad="SAME_UPPER")), "torus", BORDER, NONE, "conv", ZERO),
    "same upper, 2 x 2": (graph(conv(w="even", auto_pad="SAME_UPPER"), even=WEIGHT[:, :, :2, :2]), "torus", BORDER,
                          NONE, "conv", "its zero padding of widths (0, 0, 1, 1) (top, left, bottom, right) makes"),
    "joined slices": (graph(*SLICES, conv("p"), **ENDS), "torus", PLAIN, ALL, None, ""),
    "max pool after joined slices": (graph(*SLICES, conv("p", "a"), one("MaxPool", "a", kernel_shape=[2, 2],
                                                                       strides=[2, 2]), **ENDS), "torus",
                                     CURVED + "multiples of 2", TWO, "maxpool", "its stride (2, 2)"),
    "asymmetric": (graph(conv(pads=[0, 2, 2, 0])), "torus", BORDER, NONE, "conv", "its zero padding of widths (0, 2"),
    "strided": (graph(CIRCLE, conv("p", strides=[2, 2]), **PADS), "torus", STRIDED, TWO, "conv",
                "its stride (2, 2) keeps only shifts by multiples of it"),
    "dilated": (graph(wrap("x", "p")[0], conv("p", dilations=[2, 2]), **wrap("x", "p", 2)[1]), "torus", PLAIN, ALL,
                None, ""),
    "grouped": (graph(CIRCLE, conv("p", w="thin", group=2), thin=WEIGHT[:, :1], **PADS), "torus", PLAIN, ALL, None, ""),
    "transposed": (graph(one("ConvTranspose", "x", "even", strides=[2, 2]), even=WEIGHT[:, :, :2, :2]), "torus",
                   "not a convolution, but one after 2 x 2 upsampling", ALL, "convtranspose", "its stride (2, 2)"),
    "max pool": (graph(one("MaxPool", "x", kernel_shape=[2, 2], strides=[2, 2])), "torus", CURVED + "multiples of 2",
                 TWO, "maxpool", "its stride (2, 2)"),
    "padded max pool": (graph(one("MaxPool", "x", kernel_shape=[3, 3], pads=[1] * 4)), "torus", CURVED + "no shift",
                        NONE, "maxpool", "its windows at the border reach into padding of width 1"),
    "average pool": (graph(one("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4)), "plane", BORDER, NONE,
                     "averagepool", "count_include_pad=0 divides by fewer pixels"),
    "average pool, all": (graph(one("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)),
                          "plane", PLAIN, ALL, None, ""),
    "ceil mode": (graph(one("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)), "torus",
                  CURVED + "no shift", NONE, "maxpool", "its stride (2, 2) keeps...; ceil_mode=1 adds windows"),
    "batch norm": (graph(one("BatchNormalization", "x", "scale", "shift", "mean", "var"), **STATISTICS), "torus", PLUS,
                   ALL, None, ""),
    "instance norm": (graph(one("InstanceNormalization", "x", "scale", "shift"), **STATISTICS), "window",
                      CURVED + "no shift", NONE, "instancenormalization", "its statistics are those of all pixels"),
    "nearest": (resize(coordinate_transformation_mode="asymmetric", nearest_mode="floor"), "torus",
                "not a convolution, but one after 2 x 2", ALL, "resize", "it enlarges the image"),
    "linear": (resize(mode="linear"), "torus", BORDER, NONE, "resize", "it enlarges the image, ... repeats the last"),
    "corners": (resize(mode="linear", coordinate_transformation_mode="align_corners"), "torus", "linear", NONE,
                "resize", "coordinate_transformation_mode align_corners stretches"),
    "reflect": (graph(one("Pad", "x", "pads", outputs=["p"], mode="reflect"), conv("p"), **PAD2), "torus", BORDER, NONE,
                "conv", "pad Pad: it pads with mirrored pixels (mode reflect)"),
    "edge": (graph(one("Pad", "x", "pads", mode="edge"), **PAD2), "window", BORDER, NONE, "pad",
             "it pads with the pixels of the edge (mode edge)"),
    "residual block": (residual(), "torus", CURVED + "no shift", NONE, "conv", ZERO),
    "residual block with stride": (residual(2), "plane", CURVED + "no shift", NONE, "conv", "its stride"),
    "u-net": (unet(), "torus", CURVED + "multiples of 2", TWO, "maxpool", "its stride (2, 2)"),
    "positions": (graph(CIRCLE, conv("p", "a"), one("Add", "a", "table"), table=TABLE, **PADS), "torus",
                  "not a convolution, but one plus an image", NONE, "add",
                  "it adds a constant of shape [1, 2, 8, 8] with a value for each position"),
    "channels last": (channels_last(), "torus", PLUS, ALL, None, ""),
    "squeeze and excite": (squeeze_and_excite(), "torus", CURVED + "all shifts", ALL, None, ""),
    "attention": (attention(), "torus", CURVED + "all shifts", ALL, None, ""),
    "softmax": (graph(one("Softmax", "x", axis=3)), "window", CURVED + "all shifts down, no shift across",
                (1, None), "softmax", "it works along the axis 3 of the image"),
}


@pytest.mark.parametrize("name", KNOWN)
def test_the_verdict_and_the_first_node(name):
    model, domain, verdict, lattice, node, why = KNOWN[name]
    before = model.SerializeToString()
    report = verify_convolution(model, domain=domain, trials=2)
    assert report.verdict.startswith(verdict), report
    assert lattice is None or report.lattice == lattice
    assert report.called.startswith("called by onnxruntime") and report.size == (8, 6 if "last" in name else 8)
    first = next((one for one in layer_reports(model, domain=domain, trials=2) if one.breaks), None)
    assert (first and first.name) == node
    if first:
        assert re.match(re.escape(why).replace(r"\.\.\.", ".*"), first.reason) and bool(why) == bool(first.reason)
    assert model.SerializeToString() == before


def test_float64_where_onnxruntime_has_the_kernels():
    double = graph(one("Relu", "x"))
    assert verify_convolution(double, trials=1).dtype == "float64"
    report = verify_convolution(graph(conv()), domain="window", trials=1)
    assert report.dtype == "float32" and report.size == (8, 8)
    assert verify_convolution(double, dtype=np.float32, trials=1).dtype == "float32"


def test_constants_casts_and_scales_are_converted_too():
    half = graph(one("Cast", "x", outputs=["a"], to=10), one("Constant", outputs=["c"], value_float=0.5),
                 one("Cast", "c", outputs=["d"], to=10), one("Mul", "a", "d", outputs=["b"]),
                 one("Cast", "b", outputs=["y"], to=1))
    report = verify_convolution(half, trials=2)
    assert report.dtype == "float64" and report.impulse_response.kernel.ravel().tolist() == [0.5, 0, 0, 0.5]
    for model in (half, graph(one("Add", "x", "b"), b=np.float16(2), dtype=np.float16)):
        assert verify_convolution(model, dtype=np.float32, trials=2).convolution


def test_the_other_functions_take_them(tmp_path):
    model = graph(CIRCLE, conv("p"), **PADS)
    path = tmp_path / "circular.onnx"
    path.write_bytes(model.SerializeToString())
    import onnxruntime
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for source in (model, path, str(path), session):
        h = impulse_response(source)
        assert np.array_equal(h.kernel, WEIGHT[..., ::-1, ::-1]) and h.origin == (1, 1)
        assert len(assert_equivariant(source, shifts=[(1, 0), (0, 3)])) == 2
    with pytest.raises(TypeError, match="the network must be a Module or an ONNX model, not a session of onnxruntime"):
        layer_reports(session)
    with pytest.raises(AssertionError, match=r"first layer that is not equivariant is maxpool \(MaxPool\(.*stride"):
        assert_equivariant(unet())


def test_a_fixed_batch():
    for count, words in ((1, ", image by image"), (3, ", 3 images at a time")):
        model = graph(CIRCLE, conv("p"), shape=(count, 2, 8, 8), **PADS)
        report = verify_convolution(model, trials=4)
        assert report.convolution and report.called == f"called by onnxruntime{words}"
        assert [one.report.convolution for one in layer_reports(model, domain="torus", trials=1)] == [True]


def test_two_outputs():
    model = graph(CIRCLE, conv("p", "a"), one("Relu", "x", outputs=["b"]), outputs=("a", "b"), **PADS)
    assert verify_convolution(model, output=0, trials=1).convolution
    report = verify_convolution(model, output="b", trials=1)
    assert report.equivariant and not report.linear and report.called == "called by onnxruntime, output b"
    for output, names in ((0, ["conv"]), ("b", ["relu"]), (None, ["conv", "relu"])):
        assert [one.name for one in layer_reports(model, domain="torus", trials=1, output=output)] == names
    with pytest.raises(OperatorError, match="the ONNX model has no output 'c'. Choose one of 'a', 'b', or of 0 to 1"):
        layer_reports(model, output="c")
    with pytest.raises(OperatorError, match=r"returned a dict of 2: 'a' is an array of shape .*as in output='a'"):
        verify_convolution(model)


def test_the_end_of_a_classifier_is_judged_by_its_invariance():
    flat = classifier(one("Flatten", "b", outputs=["f"]), one("Gemm", "f", "dense"), dense=FLAT)
    found = network_report(flat, domain="torus", trials=1)
    assert [one.name for one in found.layers] == ["conv", "relu"] and found.first is None
    assert [(one.name, one.invariant) for one in found.after] == [("flatten", False), ("gemm", False)]
    assert found.after[0].reason.startswith("it gives each position a place of its own: pool over all positions before")
    pooled = classifier(one("GlobalAveragePool", "b", outputs=["g"]), one("Flatten", "g", outputs=["f"]),
                        one("Gemm", "f", "dense"), dense=FLAT[:2])
    found = network_report(pooled, domain="torus", trials=1)
    assert [one.name for one in found.after if one.invariant] == ["globalaveragepool", "flatten", "gemm"]
    window = network_report(graph(one("GlobalAveragePool", "x")), domain="window", trials=1)
    assert window.after[0].reason.startswith("it pools over all pixels up to the border")
    with pytest.raises(OperatorError, match=r"returned shape \(1, 3\) .*judge its layers \(layer_reports\)"):
        verify_convolution(flat)


@pytest.mark.parametrize(("model", "options", "message"), [
    (graph(one("Add", "x", "z"), inputs=("x", "z")), {},
     r"has 2 inputs \('x': float \[\?, 2, 8, 8\], 'z': .*: write a function of one image that calls a session"),
    (graph(one("Cast", "x", to=1), dtype=np.int64), {}, r"input 'x': int64 \[.*\] of the ONNX model is no image in"),
    (graph(one("Relu", "x"), shape=(1, 8, 8)), {}, "has 3 axes, but images .* have four: write a function that resh"),
    (graph(one("ArgMax", "x")), {}, "onnxruntime cannot load the model: .* does not match expected type"),
    (sequence(), {}, "the ONNX model returns 'y': sequence, which is no image in floating point: cut the model"),
    (graph(one("Relu", "x"), shape=(2 ** 40, 2, 8, 8)), {}, "takes 1,099,511,627,776 images of shape .* at a time"),
    (graph(conv()), {"size": (7, 7)}, r"takes images of shape \(C, H, W\) = \(2, 8, 8\), not \(2, 7, 7\): leave"),
    (graph(conv()), {"in_channels": 3}, r"takes images .* not \(3, 8, 8\): leave out size and in_channels to take its"),
    (graph(one("Relu", "x"), shape=("N", 8, 8, 3)), {"in_channels": 3}, r"not \(3, 8, 3\)"),
    (graph(one("Relu", "x"), shape=("N", 8, 8, 3)), {"in_channels": 3, "size": (8, 8)}, "or choose layout='nhwc'"),
    (graph(conv(), shape=("N", 3, "H", "W")), {}, "onnxruntime cannot run the model: .*Input channels C is not equal"),
    (graph(one("Relu", "x"), shape=("N", 2 ** 40, 8, 8)), {}, r"an image would have 70,368,744,177,664 numbers, more"),
    (graph(one("Relu", "x"), shape=("N", 2, -7, 8)), {}, "has an axis of size -7: the file is damaged"),
    (graph(one("Resize", "x", "", "huge"), huge=np.float32([1, 1, 1e5, 1e5])), {},
     r"the array 'y' of the ONNX model would have the shape \[1, 2, 800000, 800000\], more than 268,435,456 numbers"),
    (graph(one("Expand", "x", "huge"), huge=np.array([2 ** 40, 2, 8, 8])), {}, "the array 'y' of the ONNX model would"),
    (graph(one("Reshape", "x", "bad"), bad=np.array([7, 7])), {}, "onnxruntime cannot run the model: .*reshaped to"),
])
def test_what_cannot_be_judged(model, options, message):
    with pytest.raises(ValueError, match=message):
        verify_convolution(model, **options)


def test_a_function_that_calls_a_session_gets_what_the_session_takes():
    import onnxruntime
    session = onnxruntime.InferenceSession(graph(conv()).SerializeToString(), providers=["CPUExecutionProvider"])
    op = lambda f: session.run(None, {"x": f})[0]
    report = verify_convolution(op, 2, (8, 8), "window", trials=1)
    assert report.convolution and report.dtype == "float32" and report.called == ""
    with pytest.raises(OperatorError, match="for an input of shape .*, float32: .*Got invalid dimensions for input: x"):
        verify_convolution(op, 2, (9, 9))
    half = graph(one("Relu", "x"), dtype=np.float16).SerializeToString()
    with pytest.raises(OperatorError, match="the session takes float16: give the ONNX file or the ModelProto instead"):
        verify_convolution(onnxruntime.InferenceSession(half, providers=["CPUExecutionProvider"]))


def test_files_that_cannot_be_read(tmp_path):
    wrong = tmp_path / "wrong.onnx"
    with pytest.raises(OSError, match="wrong.onnx: cannot be read: No such file"):
        verify_convolution(wrong)
    wrong.write_bytes(b"no model")
    with pytest.raises(OSError, match="wrong.onnx is no ONNX file, or it is damaged: export the model again"):
        verify_convolution(str(wrong))
    onnx.save_model(graph(conv()), wrong, save_as_external_data=True, size_threshold=0, location="weights.bin")
    assert verify_convolution(wrong, domain="window", trials=1).convolution
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(OSError, match="wrong.onnx keeps weights in other files, which cannot be read"):
        verify_convolution(wrong)
    damaged = graph(conv())
    damaged.graph.initializer[0].dims[0] = 2 ** 40
    with pytest.raises(OSError, match="the model is no valid ONNX model: .*size .* is too small for the declared"):
        verify_convolution(damaged)


def test_the_command_line(tmp_path, capsys):
    from minicnn.cli.main import main
    path = tmp_path / "small net.onnx"
    path.write_bytes(small_network(RNG).SerializeToString())
    assert main(["verify", str(path), "--layers", "--domain", "plane", "--quiet"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "first layer that breaks equivariance: maxpool MaxPool why: its stride (2, 2) keeps only shifts" in out
    path.write_bytes(graph(CIRCLE, conv("p"), **PADS).SerializeToString())
    assert main(["verify", str(path), "--quiet"]) == 0
    assert "8 x 8, float32, 9 images tried; called by onnxruntime)" in " ".join(capsys.readouterr().out.split())
    path.write_bytes(graph(*SLICES, conv("p"), **ENDS).SerializeToString())
    assert main(["verify", str(path), "--layers", "--quiet"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "; a later step mends it" in out and "first layer that breaks equivariance: none" in out
    for options, message in ((["--size", "9,9"], "leave out --size and --channels to take its own"),
                             (["--output", "z"], "output='z'|--output z")):
        assert main(["verify", str(path), "--quiet", *options]) == 2
        assert re.search(message, capsys.readouterr().err)
    (tmp_path / "my.py").write_text(f"import onnx\nmodel = onnx.load({str(path)!r})\nname = {str(path)!r}\n")
    for name in ("model", "name"):
        assert main(["verify", f"{tmp_path}/my.py:{name}", "--quiet", "--trials", "1"]) == 0
    assert main(["verify", str(tmp_path / "none.onnx")]) == 2
    assert "none.onnx: cannot be read" in capsys.readouterr().err
