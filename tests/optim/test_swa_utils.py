"""Averages of weights against PyTorch's and against sums written out."""

import pickle

import numpy as np
import pytest

from minicnn.nn import BatchNorm2d, Conv2d, Dropout, Linear, Sequential
from minicnn.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn
from minicnn.tensor import Tensor


def network():
    rng = np.random.default_rng(0)
    return Sequential(Conv2d(1, 2, 3, rng=rng, dtype=np.float64), BatchNorm2d(2, dtype=np.float64), Dropout(rng=rng))


def changed(model, step):
    """New values in all parameters and buffers of a model."""
    rng = np.random.default_rng(step)
    for _, array in model._state():
        array[...] = rng.normal(size=array.shape)


@pytest.mark.parametrize("use_buffers", [False, True])
@pytest.mark.parametrize("decay", [None, 0.0, 0.3, 0.9, 1.0])
def test_agrees_with_torch_step_by_step(decay, use_buffers):
    torch = pytest.importorskip("torch")
    from torch.optim import swa_utils
    ours = network()
    theirs = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, dtype=torch.float64), torch.nn.BatchNorm2d(
        2, dtype=torch.float64), torch.nn.Dropout())
    options = {} if decay is None else {"multi_avg_fn": get_ema_multi_avg_fn(decay)}
    average = AveragedModel(ours, use_buffers=use_buffers, **options)
    options = {} if decay is None else {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(decay)}
    reference = swa_utils.AveragedModel(theirs, use_buffers=use_buffers, **options)
    for step in range(6):
        changed(ours, step)
        theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()}, strict=False)
        average.update_parameters(ours)
        reference.update_parameters(theirs)
        expected = {name: array.numpy() for name, array in reference.state_dict().items()
                    if "num_batches" not in name}
        found = average.state_dict()
        assert found.keys() == expected.keys()
        for name, array in found.items():
            np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-12, err_msg=name)


def test_a_weight_of_n_steps_ago_counts_decay_to_the_n():
    model, seen = Linear(2, 1, dtype=np.float64), []
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8))
    for step in range(8):
        changed(model, step)
        seen.append(model.weight.data.copy())
        average.update_parameters(model)
    weights = [0.8 ** 7] + [0.2 * 0.8 ** (7 - t) for t in range(1, 8)]
    assert sum(weights) == pytest.approx(1)
    np.testing.assert_allclose(average.module.weight.data, sum(w * a for w, a in zip(weights, seen, strict=True)))
    assert average.n_averaged == 8


def test_the_function_of_one_parameter_and_the_plain_mean_agree():
    model = Linear(2, 1, dtype=np.float64)
    averages = [AveragedModel(model), AveragedModel(model, multi_avg_fn=get_swa_multi_avg_fn()),
                AveragedModel(model, avg_fn=lambda averaged, current, n: (n * averaged + current) / (n + 1))]
    seen = []
    for step in range(5):
        changed(model, step)
        seen.append(model.weight.data.copy())
        for average in averages:
            average.update_parameters(model)
    for average in averages:
        np.testing.assert_allclose(average.module.weight.data, np.mean(seen, 0), rtol=1e-13)


def test_the_copy_is_independent_and_resumes_to_the_same_bits():
    model = Linear(2, 1)
    model(Tensor(np.ones((1, 2)))).sum().backward()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.7))
    assert average.module.weight.grad is None and model.weight.grad is not None
    assert average.module.weight is not model.weight
    for step in range(3):
        changed(model, step)
        average.update_parameters(model)
    resumed = AveragedModel(Linear(2, 1), multi_avg_fn=get_ema_multi_avg_fn(0.7))
    resumed.load_state_dict(average.state_dict())
    changed(model, 9)
    for one in (average, resumed):
        one.update_parameters(model)
    assert average.module.weight.data.tobytes() == resumed.module.weight.data.tobytes()
    x = Tensor(np.ones((3, 2)))
    assert np.array_equal(average(x).data, average.module(x).data) and average.module.weight.dtype == np.float32


@pytest.mark.parametrize("options", [{}, {"avg_fn": max}, {"multi_avg_fn": get_ema_multi_avg_fn(0.5)}])
def test_an_average_can_be_pickled_and_goes_on(options):
    model = Linear(1, 1, bias=False)
    average = AveragedModel(model, **options)
    for value in (2.0, 4.0):
        model.weight.data[...] = value
        average.update_parameters(model)
    again = pickle.loads(pickle.dumps(average))
    model.weight.data[...] = 9
    for one in (average, again):
        one.update_parameters(model)
    assert again.module.weight.data == average.module.weight.data == {"": 5, "avg_fn": 9, "multi_avg_fn": 6}[
        next(iter(options), "")]
    assert again.n_averaged == 3 and again.module.weight is not average.module.weight


def test_huge_weights_give_no_warning():
    model = Linear(1, 1)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    for value in (3e38, -3e38, np.inf, np.nan):
        model.weight.data[...] = value
        average.update_parameters(model)
    assert np.isnan(average.module.weight.data)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: AveragedModel([]), "AveragedModel: the model must be a Module, not a list"),
    (lambda: AveragedModel(Linear(1, 1), "cuda"), "device must be None or 'cpu', not 'cuda'"),
    (lambda: AveragedModel(Linear(1, 1), None, max, get_ema_multi_avg_fn()), "give avg_fn or multi_avg_fn, not both"),
    (lambda: AveragedModel(Linear(1, 1), multi_avg_fn=0.9), r"multi_avg_fn must be a function such as .* not 0.9"),
    (lambda: AveragedModel(Linear(1, 1), use_buffers=1), "use_buffers must be True or False, not 1"),
    (lambda: get_ema_multi_avg_fn(1.5), "get_ema_multi_avg_fn: decay must be between 0 and 1, not 1.5"),
    (lambda: AveragedModel(Linear(1, 1)).update_parameters(Linear(1, 2)), "this Linear has other parameters than the"),
    (lambda: AveragedModel(Linear(1, 1)).update_parameters({}), "update_parameters: the model must be a Module, not"),
])
def test_what_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()
