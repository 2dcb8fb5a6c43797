"""Layers and models of Keras as they stand; `test_jax.py` runs these tests in a process of their own."""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from minicnn.equivariance import OperatorError, impulse_response, layer_reports, verify_convolution  # noqa: E402
from minicnn.equivariance.layerwise import network_report  # noqa: E402

keras = pytest.importorskip("keras")
layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:::keras", "ignore:::jax", "ignore:__array__")   # not ours
ALL, TWO, NONE = (1, 1), (2, 2), (None, None)


def built(layer, channels=2):
    keras.utils.set_random_seed(0)
    layer.build((None, 8, 8, channels))
    return layer


KNOWN = {               # layer, domain, start of the verdict, lattice
    "valid": (lambda: built(layers.Conv2D(3, 3)), "window", "a convolution", ALL),
    "same": (lambda: built(layers.Conv2D(3, 3, padding="same")), "torus", "not a convolution at the border", NONE),
    "depthwise": (lambda: built(layers.DepthwiseConv2D(3, padding="same")), "plane", "a convolution", ALL),
    "channels first": (lambda: layers.MaxPooling2D(2, data_format="channels_first"), "torus", "not linear; equivariant "
                       "to multiples of 2", TWO),
    "max pool": (lambda: layers.MaxPooling2D(2), "torus", "not linear; equivariant to multiples of 2", TWO),
    "average pool": (lambda: layers.AveragePooling2D(2), "torus", "not a convolution, but every 2 x 2-th pixel", TWO),
    "nearest": (lambda: layers.UpSampling2D(2), "torus", "not a convolution, but one after 2 x 2 upsampling", ALL),
    "batch norm": (lambda: built(layers.BatchNormalization()), "torus", "a convolution", ALL),
    "relu": (lambda: layers.ReLU(), "torus", "not linear; equivariant to all shifts", ALL),
    "dropout": (lambda: layers.Dropout(0.5), "torus", "a convolution", ALL),
}


def bits(layer):
    return [np.array(keras.ops.convert_to_numpy(one.value)).tobytes() for one in layer.variables], layer.built


@pytest.mark.parametrize("name", KNOWN)
def test_the_verdict_and_nothing_is_changed(name):
    make, domain, verdict, lattice = KNOWN[name]
    layer = make()
    before = bits(layer)
    report = verify_convolution(layer, 2, (8, 8), domain, trials=2)
    assert report.verdict.startswith(verdict) and report.lattice == lattice, report
    axes = "" if name == "channels first" else ", axes (N, H, W, C)"
    assert report.dtype == "float64" and report.called == f"called by Keras{axes}"
    assert bits(layer) == before


def test_a_model_says_its_shape_and_its_first_layer_that_breaks():
    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, padding="same", name="conv"), layers.ReLU(),
                            layers.MaxPooling2D(2, name="pool"), layers.Flatten(name="flat"), layers.Dense(3)])
    before = bits(net)
    found = network_report(net, domain="plane", trials=2)
    assert [one.report.lattice for one in found.layers] == [ALL, ALL, TWO] and found.first.name == "pool"
    assert found.first.reason.startswith("its stride (2, 2) keeps only shifts by multiples of it")
    assert [(one.name, one.invariant) for one in found.after][0] == ("flat", False)
    assert layer_reports(net, domain="torus", trials=1)[0].reason == (
        "its zero padding 'same' makes pixels at the border: pad circularly before it on the torus, or judge it on the "
        "plane or in a window")
    assert bits(net) == before
    with pytest.raises(OperatorError, match=r"returned shape \(1, 3\) .*judge its layers \(layer_reports\)"):
        verify_convolution(net)


class Block(layers.Layer):
    def __init__(self):
        super().__init__(name="block")
        self.before, self.after = layers.Conv2D(4, 3, padding="same", name="before"), layers.Conv2D(4, 1, name="after")

    def call(self, x):
        return x + self.after(keras.ops.relu(self.before(x)))


class Net(keras.Model):
    """A class of a user's, with functions between the layers."""

    def __init__(self):
        super().__init__()
        self.stem, self.block = layers.Conv2D(4, 1, name="stem"), Block()
        self.drop, self.head = layers.Dropout(0.5, name="drop"), layers.Dense(3, name="head")

    def call(self, x):
        x = self.drop(self.block(self.stem(x)))
        return self.head(keras.ops.mean(x[:, ::2], axis=(1, 2)))


def test_a_model_whose_class_is_the_users():
    keras.utils.set_random_seed(0)
    net = Net()
    net(np.zeros((1, 8, 8, 2), np.float32))
    before, call = bits(net), keras.Operation.__call__
    found = network_report(net, 2, (8, 8), "plane", trials=1)
    assert [one.name for one in found.steps] == ["stem", "block.before", "functions before block.after", "block.after",
                                                 "block", "drop"]
    assert [one.report.lattice for one in found.layers] == 6 * [ALL] and found.first is None
    assert [(one.name, one.invariant) for one in found.after] == [("functions before head", False), ("head", False)]
    assert found.after[0].reason.startswith("functions outside of the library's layers make it")
    assert network_report(net, 2, (8, 8), "torus", trials=1).first.name == "block.before"
    assert bits(net) == before and keras.Operation.__call__ is call


def test_functions_and_a_layer_that_is_called_twice():
    image, conv = keras.Input((8, 8, 2)), layers.Conv2D(2, 1, name="conv")
    pool = layers.AveragePooling2D(2, 1, "same", name="pool")
    net = keras.Model(image, pool(keras.ops.relu(conv(conv(image))) + image))
    found = network_report(net, domain="torus", trials=1)
    assert [one.kind.partition("(")[0] for one in found.layers] == ["Conv2D", "Conv2D", "Relu", "Add",
                                                                    "AveragePooling2D"]
    assert found.first.name == "pool" and found.first.reason.startswith("its padding 'same' makes pixels at the border")


def test_a_kernel_is_its_weight():
    conv = built(layers.Conv2D(3, 3))
    kernel = np.array(conv.kernel.value)[::-1, ::-1].transpose(3, 2, 0, 1)
    assert np.allclose(impulse_response(conv, domain="window").kernel, kernel, atol=1e-7)
    lambda_ = lambda f: conv(f)
    assert verify_convolution(lambda_, 2, (8, 8), "window", trials=1, layout="nhwc").convolution


class Twice(layers.Layer):
    """A layer without a configuration: its argument is an array."""

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def call(self, x):
        return self.gain * x


def test_what_cannot_be_judged_or_copied():
    assert verify_convolution(Twice(np.float32(2)), 2, (8, 8), trials=1).dtype == "float32"
    new = layers.Conv2D(3, 3)
    with pytest.raises(OperatorError, match="has no weights yet: call it once with an image"):
        verify_convolution(new, 2, (8, 8))
    assert not new.built and not new.weights
    a, b = keras.Input((8, 8, 2)), keras.Input((8, 8, 2))
    with pytest.raises(OperatorError, match=r"Keras model .* needs 2 inputs: write a function of one image that fixes"):
        verify_convolution(keras.Model([a, b], layers.Add()([a, b])), 2, (8, 8))
    several = keras.Model(a, {"up": layers.UpSampling2D(2)(a), "same": layers.ReLU()(a)})
    with pytest.raises(OperatorError, match=r"returned a dict of 2: 'up' is an array .*as in output='up'"):
        verify_convolution(several)
    assert verify_convolution(several, trials=1, output="same").equivariant


@pytest.mark.parametrize(("layer", "why", "lattice"), [
    (lambda: layers.Conv2DTranspose(3, 3, strides=2, padding="same"), "at the border of its output the pixels of the "
     "opposite side are missing: pad circularly before it; its stride (2, 2) makes the phases", NONE),
    (lambda: layers.Conv2DTranspose(3, 2, strides=2), "its stride (2, 2) makes the phases of the output differ", ALL),
    (lambda: layers.Resizing(4, 4), "its windows depend on the size of the image, and step over several pixels", TWO),
    (lambda: layers.Permute((2, 1, 3)), "it turns the image", NONE),
    (lambda: layers.UpSampling2D(2, interpolation="bilinear"), "it interpolates, and repeats the pixels", NONE),
])
def test_why_a_layer_breaks_equivariance(layer, why, lattice):
    keras.utils.set_random_seed(0)
    found = network_report(keras.Sequential([keras.Input((8, 8, 2)), layer()]), domain="torus", trials=1)
    assert found.first.reason.startswith(why) and found.first.report.lattice == lattice
