"""Layers: initialisation, arguments and repr. Each layer computes the function of its name."""

import numpy as np
import pytest

from minicnn import Tensor, nn
from minicnn import functional as F
from tests.reference import assert_same_function


def test_flatten_is_channel_row_column(rng):
    x = rng.standard_normal((3, 2, 4, 5))
    reordered = np.ascontiguousarray(x.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    np.testing.assert_array_equal(nn.Flatten()(Tensor(reordered)).data, x.reshape(3, -1))


def test_initialisation_is_uniform_within_one_over_root_fan_in(rng):
    conv = nn.Conv2d(8, 400, 3, groups=2, rng=rng)
    bound = 1 / np.sqrt(8 / 2 * 9)
    for values in (conv.weight.data, conv.bias.data):
        assert abs(values).max() <= bound
        assert abs(values).max() > 0.98 * bound
        assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.06)
    first = nn.Linear(4, 2, rng=np.random.default_rng(0)).weight.data
    np.testing.assert_array_equal(first, np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4)).astype(np.float32))


CONV = nn.Conv2d(2, 4, 3, (2, 1), (1, 0), (1, 2), 2, padding_mode="circular", dtype=np.float64)
LINEAR = nn.Linear(8, 3, dtype=np.float64)
UP = nn.ConvTranspose2d(2, 4, 3, (2, 1), (1, 0), (1, 0), 2, True, (1, 2), dtype=np.float64)
NORM = nn.BatchNorm2d(2, 1e-3, dtype=np.float64).eval()
LABELS = np.random.default_rng(1).integers(0, 2, (3, 7, 8))
SAME = [
    (nn.ReLU(), F.relu), (nn.LeakyReLU(0.3), lambda x: F.leaky_relu(x, 0.3)), (nn.Tanh(), F.tanh),
    (nn.SiLU(), F.silu), (nn.GELU("tanh"), lambda x: F.gelu(x, "tanh")), (nn.ELU(2), lambda x: F.elu(x, 2)),
    (nn.Softplus(2, 1), lambda x: F.softplus(x, 2, 1)), (nn.Hardtanh(0, 0.5), lambda x: F.hardtanh(x, 0, 0.5)),
    (nn.ReLU6(), F.relu6), (nn.PReLU(2, 0.5), lambda x: F.prelu(x, [0.5, 0.5])),
    (nn.Softmax(1), lambda x: F.softmax(x, 1)),
    (nn.Sigmoid(), F.sigmoid), (nn.LogSoftmax(1), lambda x: F.log_softmax(x, 1)),
    (nn.Flatten(1, 2), lambda x: F.flatten(x, 1, 2)), (nn.Dropout(0.5).eval(), lambda x: F.dropout(x, training=False)),
    (LINEAR, lambda x: F.linear(x, LINEAR.weight, LINEAR.bias)),
    (NORM, lambda x: F.batch_norm(x, np.zeros(2), np.ones(2), NORM.weight, NORM.bias, eps=1e-3)),
    (CONV, lambda x: F.conv2d(x, CONV.weight, CONV.bias, (2, 1), (1, 0), (1, 2), 2, padding_mode="circular")),
    (UP, lambda x: F.conv_transpose2d(x, UP.weight, UP.bias, (2, 1), (1, 0), (1, 0), 2, (1, 2))),
    (nn.MSELoss("sum"), lambda x: F.mse_loss(x, x.data + 1, "sum")),
    (nn.L1Loss(reduction="none"), lambda x: F.l1_loss(x, x.data + 1, reduction="none")),
    (nn.HuberLoss("sum", 0.3), lambda x: F.huber_loss(x, x.data + 1, "sum", 0.3)),
    (nn.SmoothL1Loss(reduction="sum", beta=3), lambda x: F.smooth_l1_loss(x, x.data + 1, reduction="sum", beta=3)),
    (nn.KLDivLoss(reduction="batchmean", log_target=True),
     lambda x: F.kl_div(x, x.data + 1, reduction="batchmean", log_target=True)),
    (nn.BCEWithLogitsLoss([2.0], reduction="sum", pos_weight=[3.0]),
     lambda x: F.binary_cross_entropy_with_logits(x, x.data + 1, [2.0], reduction="sum", pos_weight=[3.0])),
    (nn.NLLLoss([1.0, 3.0], ignore_index=0, reduction="sum"),
     lambda x: F.nll_loss(x, LABELS, [1.0, 3.0], ignore_index=0, reduction="sum")),
    (nn.CrossEntropyLoss([1.0, 3.0], ignore_index=0, reduction="sum", label_smoothing=0.1),
     lambda x: F.cross_entropy(x, LABELS, np.array([1.0, 3.0]), ignore_index=0, reduction="sum", label_smoothing=0.1)),
]


@pytest.mark.parametrize(("layer", "function"), SAME, ids=lambda value: type(value).__name__)
def test_a_layer_is_the_function_of_its_name_with_its_arguments(layer, function, rng):
    array = rng.standard_normal((3, 2, 7, 8))
    labels = isinstance(layer, (nn.CrossEntropyLoss, nn.NLLLoss))
    target = () if "Loss" not in type(layer).__name__ else (LABELS,) if labels else (array + 1,)
    assert_same_function(layer, function, array, rng, *target)


@pytest.mark.parametrize(("module", "text"), [
    (nn.Conv2d(1, 2, 3, 2, 1, bias=False), "Conv2d(1, 2, kernel_size=(3, 3), stride=(2, 2), padding=1, bias=False)"),
    (nn.Linear(2, 3, bias=False), "Linear(2, 3, bias=False)"),
    (nn.LeakyReLU(), "LeakyReLU(negative_slope=0.01)"),
    (nn.Dropout(0.3), "Dropout(p=0.3)"), (nn.PReLU(3), "PReLU(num_parameters=3)"), (nn.ELU(), "ELU(alpha=1.0)"),
    (nn.GELU(), "GELU(approximate='none')"), (nn.Softplus(2), "Softplus(beta=2.0, threshold=20.0)"),
    (nn.Hardtanh(), "Hardtanh(min_val=-1.0, max_val=1.0)"), (nn.Softmax(1), "Softmax(dim=1)"), (nn.ReLU6(), "ReLU6()"),
    (nn.BatchNorm2d(4), "BatchNorm2d(4)"), (nn.MSELoss(), "MSELoss()"),
    (nn.L1Loss(reduction="sum"), "L1Loss(reduction='sum')"),
    (nn.HuberLoss(delta=2), "HuberLoss(delta=2.0)"), (nn.SmoothL1Loss(beta=0), "SmoothL1Loss(beta=0.0)"),
    (nn.KLDivLoss(reduction="batchmean", log_target=True), "KLDivLoss(reduction='batchmean', log_target=True)"),
    (nn.NLLLoss(ignore_index=1), "NLLLoss(ignore_index=1)"), (nn.BCELoss(), "BCELoss()"),
    (nn.CrossEntropyLoss(label_smoothing=0.1), "CrossEntropyLoss(label_smoothing=0.1)"),
])
def test_repr(module, text):
    assert repr(module) == text


def test_the_weight_of_a_loss_belongs_to_its_state(rng):
    p = rng.uniform(0.1, 0.9, (3, 2))
    given = np.array([2.0, 3.0])
    loss = nn.BCELoss(given)
    assert loss(p, p).item() == F.binary_cross_entropy(p, p, [2, 3]).item()
    loss.load_state_dict({"weight": np.array([1.0, 0.0])})
    assert loss(p, p).item() == F.binary_cross_entropy(p, p, [1, 0]).item()
    assert given.tolist() == [2, 3]
    for made, names in ((nn.CrossEntropyLoss([1, 2]), ["weight"]), (nn.NLLLoss(Tensor([1, 2])), ["weight"]),
                        (nn.BCEWithLogitsLoss(given, pos_weight=[0.1]), ["weight", "pos_weight"]), (nn.NLLLoss(), [])):
        assert list(made.state_dict()) == names
    assert nn.CrossEntropyLoss([0.1]).weight == 0.1
    assert nn.CrossEntropyLoss(np.float32([0.1])).weight.dtype == np.float32


@pytest.mark.parametrize(("make", "message"), [
    (lambda: nn.Conv2d(0, 2, 3), "Conv2d: in_channels must be an integer of at least 1, not 0"),
    (lambda: nn.Conv2d(3, 2, 3, groups=2), "Conv2d: groups=2 must divide in_channels=3"),
    (lambda: nn.Linear(2.5, 1), "Linear: in_features must be an integer"),
    (lambda: nn.BatchNorm2d(3)(Tensor(np.ones((2, 2, 1, 1)))), r"BatchNorm2d: the input must have shape \(N, 3, H, W"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_batch_norm_with_its_statistics_switched_off_later(rng):
    norm, x = nn.BatchNorm2d(2, momentum=None, dtype=np.float64), rng.normal(3, 2, (4, 2, 3, 3))
    norm(Tensor(x))
    mean, batch = norm.running_mean.copy(), norm(Tensor(x)).data
    norm.track_running_stats = False
    np.testing.assert_array_equal(norm(Tensor(x + 1)).data.round(9), batch.round(9))
    assert (norm.running_mean == mean).all() and norm.num_batches_tracked == 2
    out = norm.eval()(Tensor(x)).data                           # the statistics that are there, as in PyTorch
    norm.track_running_stats = True
    np.testing.assert_array_equal(out, norm(Tensor(x)).data)
