"""Matrix, spectrum, derivation and invariance of operators of PyTorch, SciPy and scikit-image as they stand."""

from functools import partial

import numpy as np
import pytest
import scipy.ndimage

from minicnn import InputError
from minicnn.data import load, normalize
from minicnn.data.placement import Shifts
from minicnn.equivariance import OperatorError, as_operator, derivation
from minicnn.equivariance import matrix as m
from minicnn.invariance import compare_pools, consistency, invariance_map
from minicnn.invariance.functions import on_arrays
from minicnn.invariance.pooling import HALVING, blurred_bar, on_torus
from minicnn.models import lenet
from minicnn.nn import Conv2d

GAUSS = partial(scipy.ndimage.gaussian_filter, sigma=1.0, mode="wrap")


@pytest.fixture(scope="module")
def torch():
    found = pytest.importorskip("torch")
    threads = found.get_num_threads()
    found.set_num_threads(1)
    yield found
    found.set_num_threads(threads)


@pytest.fixture
def circular(torch):
    """A layer of PyTorch, its weight in float64, and the options that say the same to minicnn."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular")
    return layer, layer.weight.detach().double().numpy(), {"padding": 1, "padding_mode": "circular"}


def test_the_matrix_of_a_torch_layer_is_that_of_its_weight(circular):
    layer, weight, options = circular
    expected = m.operator_matrix(weight, (5, 4), **options).toarray()
    found = m.operator_matrix(layer, (5, 4), in_channels=2)
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-15)
    assert m.commutators(found, 2, 3, (5, 4))[0] < 1e-15 and found.dtype == np.float64
    assert layer.weight.grad is None and layer.training


@pytest.mark.parametrize("build", ["stride", "transposed", "window", "pool"])
def test_the_matrix_of_layers_that_change_the_size(build, torch, rng):
    nn = torch.nn
    layer = {"stride": nn.Conv2d(1, 2, 3, stride=2), "transposed": nn.ConvTranspose2d(1, 2, 3, stride=2),
             "window": nn.Conv2d(1, 2, (2, 3)), "pool": nn.AvgPool2d(2)}[build]
    matrix, f = m.operator_matrix(layer, (6, 5)), rng.standard_normal((3, 1, 6, 5))
    with torch.no_grad():
        answers = layer.double()(torch.from_numpy(f)) - layer(torch.zeros(1, 1, 6, 5, dtype=torch.float64))
    np.testing.assert_allclose((matrix @ f.reshape(3, -1).T).T, answers.numpy().reshape(3, -1), atol=1e-14)
    assert m.singular_values(layer, (6, 5)).shape == (min(matrix.shape),)


def test_the_spectrum_of_a_torch_layer_is_that_of_its_weight(circular):
    layer, weight, options = circular
    np.testing.assert_allclose(m.transfer_function(layer, (6, 5), in_channels=2),
                               m.transfer_function(weight, (6, 5), **options), atol=1e-14)
    values = m.singular_values(layer, (6, 5), in_channels=2)
    np.testing.assert_allclose(values, m.singular_values(weight, (6, 5), **options), atol=1e-14)
    assert m.spectral_norm(layer, (6, 5), in_channels=2) == values[0]
    with pytest.raises(InputError, match="3 output channels has a matrix that is not square, and no eigenvalues"):
        m.eigenvalues(layer, (6, 5), in_channels=2)


def test_a_weight_of_torch_is_a_weight(circular):
    layer, weight, options = circular
    np.testing.assert_allclose(m.singular_values(layer.weight, 5, **options), m.singular_values(weight, 5, **options),
                               rtol=1e-6)


def test_the_spectrum_of_a_layer_of_minicnn(rng):
    conv = Conv2d(2, 2, 3, padding="same", padding_mode="circular", rng=rng, dtype=np.float64)
    np.testing.assert_allclose(m.transfer_function(conv, 6, in_channels=2), m.transfer_function(conv.weight.data, 6),
                               atol=1e-14)


def test_the_spectrum_of_a_gaussian_filter_of_scipy():
    line = scipy.ndimage.gaussian_filter1d(np.eye(1, 9)[0], 1.0, mode="wrap")
    across = np.fft.fft(line)
    found = m.eigenvalues(GAUSS, 9)
    np.testing.assert_allclose(found, np.multiply.outer(across, across), atol=1e-14)
    assert m.spectral_norm(GAUSS, (9, 9)) == pytest.approx(1)
    reflecting = partial(scipy.ndimage.gaussian_filter, sigma=1.0)
    matrix = m.operator_matrix(reflecting, (6, 7))
    assert not m.is_doubly_circulant(matrix, 1, 1, (6, 7))
    np.testing.assert_allclose(m.singular_values(reflecting, (6, 7)), np.linalg.svd(matrix.toarray())[1], atol=1e-14)


def test_what_has_no_matrix_or_no_spectrum(torch):
    for op in (partial(scipy.ndimage.median_filter, size=3), torch.nn.ReLU()):
        with pytest.raises(InputError, match=r"no matrix, because it is not linear: L\(.* is broken at output"):
            m.operator_matrix(op, 6)
        with pytest.raises(InputError, match="there is no transfer function: the operator is not linear"):
            m.transfer_function(op, 6)
    with pytest.raises(InputError, match=r"the operator turns \(6, 6\) pixels into \(3, 3\), another torus"):
        m.transfer_function(torch.nn.AvgPool2d(2), 6)
    with pytest.raises(InputError, match="the operator is not a convolution at the border"):
        m.transfer_function(torch.nn.Conv2d(1, 1, 3, padding=1), 8)
    with pytest.raises(InputError, match="has no matrix: it is not deterministic"):
        m.operator_matrix(lambda f: f + np.random.default_rng().random(f.shape), 4)
    with pytest.raises(InputError, match="16384 x 16384 entries, more than 9e[+]06: give a smaller size"):
        m.operator_matrix(GAUSS, 128)
    with pytest.raises(InputError, match="belong to a weight; an operator has its own. Leave them out"):
        m.operator_matrix(GAUSS, 8, stride=2)
    with pytest.raises(OperatorError, match="the operator raised RuntimeError"):
        m.operator_matrix(torch.nn.Conv2d(2, 1, 3), 8)


def test_the_derivation_of_operators_of_others(circular, torch, rng):
    layer, f = circular[0], rng.standard_normal((2, 4, 5))
    assert derivation(layer, f).breaks is None and derivation(GAUSS, f[0]).breaks is None
    assert derivation(lambda x: torch.flip(x, (3,)), f).breaks == "equivariance"
    assert derivation(torch.nn.ReLU(), f).breaks == "linearity"
    assert derivation(partial(scipy.ndimage.maximum_filter, size=2, mode="wrap"), f[0]).breaks == "linearity"
    last = as_operator(lambda images: np.roll(images, 1, axis=2), layout="nhwc")
    assert derivation(last, f).breaks is None


def test_invariance_of_a_torch_network_is_that_of_the_same_network_here(torch):
    ours, nn = lenet(pretrained=True, algorithm="direct"), torch.nn
    sizes = [(1, 20), (20, 40), (40, 40), (40, 5)]
    features = nn.Sequential(*[part for i, o in sizes for part in (nn.Conv2d(i, o, 5), nn.ReLU())])
    last = nn.Linear(180, 10)
    net = nn.Sequential(features, nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(), last)
    for index in range(4):
        conv = getattr(ours, f"conv{index + 1}")
        features[2 * index].weight.data = torch.from_numpy(conv.weight.data.copy())
        features[2 * index].bias.data = torch.from_numpy(conv.bias.data.copy())
    last.weight.data, last.bias.data = (torch.from_numpy(one.data.copy()) for one in (ours.fc1.weight, ours.fc1.bias))
    data = load("mnist5k")
    images, labels, shifts = data.val_images[:12], data.val_labels[:12], Shifts(1, 28)
    state = torch.get_rng_state()
    found = invariance_map(net, images, labels, shifts, features=features)
    expected = invariance_map(ours, images, labels, shifts, features=ours.features)
    np.testing.assert_array_equal(found.classes, expected.classes)
    np.testing.assert_allclose(found.feature_distance, expected.feature_distance, atol=1e-5)
    assert consistency(net, images, shifts).value == consistency(ours, images, shifts).value
    assert net.training and net[3].training                     # the dropout was off, and is on again
    assert torch.equal(state, torch.get_rng_state()) and last.weight.requires_grad
    pools = {"ours": HALVING["max-pool"], "torch": nn.MaxPool2d(2), "skimage": _block_max()}
    rows = compare_pools(images[:2], ours.features, pools=pools)
    for of in {row.of for row in rows}:
        same = [(row.even, row.odd) for row in rows if row.of == of]
        np.testing.assert_allclose(same, [same[0]] * 3, rtol=1e-6)


def _block_max():
    return partial(pytest.importorskip("skimage.measure").block_reduce, block_size=(2, 2), func=np.max)


def test_functions_of_any_library_are_functions_of_arrays(torch):
    bar = blurred_bar()
    np.testing.assert_array_equal(on_torus(torch.nn.MaxPool2d(2), bar), on_torus(HALVING["max-pool"], bar))
    rows = on_arrays(lambda x: torch.stack([x.sum((1, 2, 3)), x.amax((1, 2, 3))], 1))
    for dtype in (np.float32, np.float64):
        images = normalize(np.zeros((2, 28, 28), np.uint8)).astype(dtype)
        assert rows(images).shape == (2, 2) and rows(images).dtype == dtype
    assert on_arrays(rows) is rows
    with pytest.raises(ZeroDivisionError):                      # the function's own error
        on_arrays(lambda x: 1 / 0)(bar)
    with pytest.raises(RuntimeError, match="channels"):
        on_arrays(torch.nn.Conv2d(3, 1, 3))(bar)
