"""Networks that the page can show besides the LeNet, and those that it refuses."""

import numpy as np
import pytest

from minicnn import Tensor
from minicnn import functional as F
from minicnn.data import load, normalize
from minicnn.errors import InputError
from minicnn.models import LeNet
from minicnn.moving_digit import build, explore
from minicnn.moving_digit.chain import Chain, chain_of
from minicnn.nn import AvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential, Sigmoid
from tests.moving_digit.engine import SIZES, canvas, maps_of
from tests.moving_digit.opened_page import Page


def conv(*sizes, **options):
    return Conv2d(*sizes, algorithm="direct", rng=np.random.default_rng(sum(sizes)), **options)


class Two(Module):
    """Functions between the layers, a Dropout, two linear layers; 28 -> 26 -> 20 -> 10."""

    def __init__(self):
        self.first, self.second, self.drop = conv(1, 7, 3), conv(7, 8, 7), Dropout()
        self.pool = MaxPool2d(2)
        self.hidden, self.out = Linear(800, 12), Linear(12, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.second(F.relu(self.first(x)))))
        return self.out(F.relu(self.hidden(self.drop(F.flatten(x, 1)))))


def odd():
    """One convolution, and a map of an odd size: 28 -> 25 -> 12."""
    return Sequential(conv(1, 3, 4), ReLU(), MaxPool2d((2, 2), 2), Flatten(), Linear(432, 4))


def test_the_chain_computes_what_the_network_computes(rng):
    x = Tensor(rng.normal(size=(3, 1, 28, 28)).astype(np.float32))
    two = ["conv1", "relu", "conv2", "relu", "pool", "fc1", "relu", "fc2"]
    for model, reach, layers in ((Two().eval(), (3, 9), two),
                                 (odd(), (4,), ["conv1", "relu", "pool", "fc1"]),
                                 (LeNet(), (5, 9, 13, 17), None)):
        chain = chain_of(model, 1)
        assert isinstance(chain, Chain) and chain.reach == reach
        np.testing.assert_array_equal(chain(x).data, model(x).data)
        for name, maps in chain.maps(x):
            assert maps.shape[-1] == 29 - reach[chain.names.index(name)] and maps.data.min() == 0
        if layers:
            found = [name if not isinstance(module, ReLU) else "relu" for name, module in chain.modules()]
            assert found == layers


def test_a_dropout_in_training_mode_stays_so():
    model = Two()
    chain_of(model, 1)
    assert model.training and model.drop.training


class Skips(Module):
    def __init__(self, last=False):
        self.one, self.two, self.pool, self.out = conv(1, 2, 3), conv(2, 2, 3), MaxPool2d(2), Linear(288, 10)
        self.last = last

    def forward(self, x):
        x = F.relu(self.one(x))
        x = F.relu(self.two(x if self.last else x + 1))
        x = self.out(F.flatten(self.pool(x), 1))
        return x * 2 if self.last else x


class Pools(Skips):
    """A pool between the convolutions, called as a function."""

    def forward(self, x):
        return self.two(F.max_pool2d(F.relu(self.one(x)), 2))


@pytest.mark.parametrize(("model", "message"), [
    (Skips(), "the input of two is not the output of one"),
    (Skips(last=True), "the network changes the output of out before it returns it"),
    (Sequential(Flatten(), Linear(784, 10)), "the network is Flatten, Linear: the page shows networks of this form"),
    (Sequential(conv(1, 2, 3), MaxPool2d(2), Flatten(), Linear(338, 3)), "the network is Conv2d, MaxPool2d"),
    (Sequential(conv(1, 2, 3), Sigmoid(), MaxPool2d(2), Flatten(), Linear(338, 3)), r"1 is Sigmoid\(\) where a ReLU"),
    (Sequential(conv(1, 2, 3), ReLU(), AvgPool2d(2), Flatten(), Linear(338, 3)), "the network is Conv2d, ReLU, Avg"),
    (Sequential(conv(1, 2, 3), ReLU(), MaxPool2d(2), conv(2, 2, 4), Flatten(), Linear(200, 3)),
     r"3 is Conv2d\(2, 2.*, after the pool.*A map behind a pool does not move with every pixel"),
    (Pools(), r"two is Conv2d\(2, 2.*, after the pool"),
    (Sequential(conv(1, 2, 3, padding=1), ReLU(), MaxPool2d(2), Flatten(), Linear(392, 3)), "0 is Conv2d.*padding=1"),
    (Sequential(conv(1, 2, 3, stride=2), ReLU(), MaxPool2d(2), Flatten(), Linear(72, 3)), "kernels are square"),
    (Sequential(conv(1, 2, 3), ReLU(), MaxPool2d(3), Flatten(), Linear(128, 3)), "2 is MaxPool2d.*see 3x3 pixels"),
    (Sequential(conv(1, 2, 3), ReLU(), MaxPool2d(2)), "the network is Conv2d, ReLU, MaxPool2d: "),
    (LeNet(pool="blur"), "Conv2d, ReLU, Sequential, Linear"),
])
def test_networks_of_another_form_are_refused(model, message):
    with pytest.raises(InputError, match=message):
        chain_of(model, 1)


@pytest.fixture(scope="module", params=[Two, odd])
def other(request, tmp_path_factory):
    """(network, its page)"""
    data, model = load("mnist5k"), request.param().eval()
    found = explore(model, data.val_images[:2], data.val_labels[:2].tolist(), [0, 1])
    path = tmp_path_factory.mktemp("other") / "page.html"
    path.write_text(build(found, "a test", network="the network <b>Two</b>"), encoding="utf-8")
    return model, path


def test_the_page_of_another_network(other, browser, rng):
    from selenium.webdriver.support.ui import WebDriverWait
    model, path = other
    chain = chain_of(model, 1)
    browser.get(path.as_uri())
    WebDriverWait(browser, 20).until(lambda it: it.execute_script("return Boolean(window.minicnn?.ready)"))
    opened = Page(browser)
    assert opened.promise("return (await minicnn.checked).fine")
    assert opened.run("return document.querySelector('header p').textContent").startswith(
        "A 4×4 convolution looks" if len(chain.names) == 1 else "Two convolutions look")
    assert "The network is the network <b>Two</b> with a test" in opened.text("about")
    for dy, dx in [(5, 5), (2, 9), (4, 4)]:
        opened.go(1, dy, dx, "equal")
        assert "equal in all" in opened.text("agree") and ("differ" in opened.text("forgets")) == ((dy - 5) % 2 == 1)
    opened.run("minicnn.clear()")
    opened.draw(rng.uniform(5, 33, (5, 2)))
    for dy, dx, mode in [(5, 5, "input"), (2, 9, "input"), (0, 1, "map")]:
        opened.go(2, dy, dx, "maps", mode)
        opened.computed()
        assert f"{chain.names[-1]}, φ(T x) and T φ(x): equal in all" in opened.text("agree")
    found, logits = opened.floats()
    pixels = normalize(opened.drawing()[None])
    for name, maps in chain.maps(Tensor(pixels)):
        np.testing.assert_allclose(found[name], maps.data[0], rtol=0, atol=1e-5 * abs(maps.data).max())
    expected = model(Tensor(np.ascontiguousarray(pixels[:, :, 5:33, 5:33]))).data[0]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * abs(expected).max())
    for tab in ("pool", "impulse"):
        opened.go(0, 3, 5, tab)
    assert opened.run("return document.getElementById('trouble').hidden")
    assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []


def test_numbers_in_the_page_of_the_lenet_are_of_the_first_digit(contents, model):
    meta, arrays = contents
    found, at = maps_of(model, arrays["images"][0], 5, 5), 0
    for name in [*SIZES, "pool"]:
        part = arrays["reference"][at:at + found[name].size]
        np.testing.assert_allclose(part, found[name].ravel(), rtol=1e-5, atol=1e-5)
        at += found[name].size
    np.testing.assert_array_equal(arrays["reference"][at:], arrays["logits"][0, 60])
    np.testing.assert_array_equal(canvas(arrays["images"][0], 5, 5)[0, 0, 5:33, 5:33],
                                  normalize(arrays["images"][:1])[0, 0])
    assert meta["name"] == "the LeNet of minicnn"
