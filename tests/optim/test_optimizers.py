"""Optimisers against PyTorch step by step and against the papers' formulas written as sums; their state."""

import json
import math
import tracemalloc

import numpy as np
import pytest

from minicnn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from minicnn.tensor import Tensor

OPTIMIZERS = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "weight_decay": 0.05, "maximize": True}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.05}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05, "nesterov": True}),
    (Adam, {}),
    (Adam, {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    (AdamW, {}),
    (AdamW, {"lr": 0.05, "betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05, "nesterov": True, "maximize": True}),
    (Adam, {"lr": 0.05, "betas": (0.7, 0.5), "amsgrad": True}),
    (Adam, {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    (Adam, {"lr": 0.05, "weight_decay": 0.1, "maximize": True}),
    (AdamW, {"lr": 0.05, "betas": (0.7, 0.5), "weight_decay": 0.1, "amsgrad": True}),
    (AdamW, {"lr": 0.05, "weight_decay": 0.1, "amsgrad": True, "maximize": True}),
    (AdamW, {"lr": 0.05, "maximize": True}),
    (RMSprop, {}),
    (RMSprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    (RMSprop, {"lr": 0.05, "alpha": 0.8, "momentum": 0.7}),
    (RMSprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-2, "centered": True}),
    (RMSprop, {"lr": 0.05, "alpha": 0.8, "eps": 1e-2, "weight_decay": 0.1, "momentum": 0.7, "centered": True}),
    (Adagrad, {}),
    (Adagrad, {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 0.3, "eps": 1e-3}),
    (Adagrad, {"lr": 0.1, "maximize": True}),
]


def parameters(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in ((3, 4), (5,), ())]


def gradients(steps, skip=True):
    """For each step a gradient for each parameter; the second parameter has none in steps 0 and 3."""
    rng = np.random.default_rng(1)
    return [[rng.normal(size=(3, 4)), None if skip and t in (0, 3) else rng.normal(size=5), rng.normal(size=())]
            for t in range(steps)]


def run(optimizer, grads):
    for step in grads:
        for param, grad in zip(optimizer.params, step, strict=True):
            param.grad = None if grad is None else np.asarray(grad, param.dtype)
        optimizer.step()


def one(value=1.0):
    return Tensor([value], requires_grad=True)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_agrees_with_torch_step_by_step(kind, options, dtype):
    torch = pytest.importorskip("torch")
    ours = parameters(dtype)
    theirs = [torch.nn.Parameter(torch.tensor(p.data)) for p in ours]
    optimizer, reference = kind(ours, **options), getattr(torch.optim, kind.__name__)(theirs, **options)
    for grads in gradients(50):
        run(optimizer, [grads])
        for param, grad in zip(theirs, grads, strict=True):
            param.grad = None if grad is None else torch.tensor(np.asarray(grad, dtype))
        reference.step()
        for a, b in zip(ours, theirs, strict=True):
            assert a.data.dtype == dtype
            np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=0, atol=1e-12 if dtype == np.float64 else 1e-5)


def by_hand_sgd(w, grads, lr=0.1, momentum=0.9, dampening=0.3, weight_decay=0.05, nesterov=False):
    """The momentum buffer written out as a sum: b_t = mu^(t-1) g_1 + (1 - dampening) sum_s mu^(t-s) g_s."""
    seen = []
    for t, grad in enumerate(grads):
        seen.append(grad + weight_decay * w)
        buffer = sum(g * momentum ** (t - s) * (1 if s == 0 else 1 - dampening) for s, g in enumerate(seen))
        w = w - lr * (seen[-1] + momentum * buffer if nesterov else buffer)
    return w


def by_hand_adam(w, grads, lr=0.05, b1=0.7, b2=0.9, eps=1e-3, decay=0.1, decoupled=False):
    """The moments written out as weighted means of all gradients so far."""
    seen = []
    for t, grad in enumerate(grads):
        seen.append(grad if decoupled else grad + decay * w)
        ages = t - np.arange(t + 1)
        mean = np.average(seen, axis=0, weights=b1 ** ages)
        square = np.average(np.square(seen), axis=0, weights=b2 ** ages)
        w = w - lr * (decay * w if decoupled else 0) - lr * mean / (np.sqrt(square) + eps)
    return w


@pytest.mark.parametrize(("kind", "options", "by_hand"), [
    (*OPTIMIZERS[1], lambda w, g: by_hand_sgd(w, [-x for x in g], momentum=0, dampening=0)),
    (*OPTIMIZERS[2], by_hand_sgd), (*OPTIMIZERS[3], lambda w, g: by_hand_sgd(w, g, dampening=0, nesterov=True)),
    (*OPTIMIZERS[5], by_hand_adam),
    (*OPTIMIZERS[7], lambda w, g: by_hand_adam(w, g, decoupled=True))])
def test_agrees_with_the_papers_formula_written_as_sums(kind, options, by_hand):
    start, grads = parameters()[0].data.copy(), gradients(12)
    optimizer = kind(parameters(), **options)
    run(optimizer, grads)
    np.testing.assert_allclose(optimizer.params[0].data, by_hand(start, [g[0] for g in grads]), rtol=1e-12)


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_updates_in_place_and_leaves_gradients_and_frozen_parameters_alone(kind, options):
    params, grads = parameters(), gradients(2, skip=False)
    arrays, frozen = [p.data for p in params], params[1].data.copy()
    for step in grads:
        step[1] = None
    optimizer = kind(params, **options)
    copies = [None if g is None else g.copy() for g in grads[1]]
    run(optimizer, grads)
    assert all(p.data is a for p, a in zip(params, arrays, strict=True))
    assert np.array_equal(params[1].data, frozen)
    for grad, copy in zip(grads[1], copies, strict=True):
        assert grad is None or np.array_equal(grad, copy)


def test_the_kept_momentum_is_no_view_of_the_gradient():
    param = one()
    optimizer = SGD([param], momentum=0.9)
    param.grad = np.ones(1, np.float32)
    optimizer.step()
    param.grad[:] = 100
    assert optimizer.state_dict()["0.momentum_buffer"] == 1


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_memory_order_does_not_change_a_bit(kind, options):
    grads = gradients(5)
    c, f = kind(parameters(np.float32), **options), kind(parameters(np.float32), **options)
    f.params[0].data = np.asfortranarray(f.params[0].data)
    run(c, grads)
    run(f, grads)
    assert np.array_equal(c.params[0].data, f.params[0].data)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS)
def test_resumes_to_the_same_bits(kind, options, dtype):
    grads = gradients(10)
    whole = kind(parameters(dtype), **options)
    run(whole, grads)
    first = kind(parameters(dtype), **options)
    run(first, grads[:4])
    state = first.state_dict()
    weights = [p.data.copy() for p in first.params]
    run(first, grads[4:8])                        # the state is a copy: this does not change it
    arrays = {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
    numbers = json.loads(json.dumps({k: v for k, v in state.items() if k not in arrays}))
    second = kind(parameters(dtype, seed=5), lr=7)        # the settings in the state replace those given here
    for param, array in zip(second.params, weights, strict=True):
        param.data[...] = array
    second.load_state_dict(arrays | numbers)
    run(second, grads[4:])
    for a, b in zip(whole.params, second.params, strict=True):
        assert a.data.tobytes() == b.data.tobytes()
    assert repr(second) == repr(whole)


def test_zero_grad_forgets():
    param = one(3.0)
    optimizer = SGD([param], lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (param * param).sum().backward()
    optimizer.step()
    assert param.data == 0
    optimizer.zero_grad()
    assert param.grad is None


def test_a_step_of_adamw_allocates_less_than_four_times_its_largest_parameter():
    param = Tensor(np.ones(100_000, np.float32), requires_grad=True)
    param.grad = np.ones_like(param.data)
    optimizer = AdamW([param])
    optimizer.step()
    tracemalloc.start()
    optimizer.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * param.data.nbytes


SHARED = np.zeros(3)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: SGD([]), "SGD: there are no parameters to optimise"),
    (lambda: SGD([one()], lr=-1), "SGD: lr must be a number of at least 0, not -1"),
    (lambda: AdamW([one()], lr=math.nan), "AdamW: lr must be a number of at least 0, not nan"),
    (lambda: Adam([one()], weight_decay=-1), "Adam: weight_decay must be a number of at least 0, not -1"),
    (lambda: Adam([one()], eps=-1), "Adam: eps must be a number of at least 0, not -1"),
    (lambda: AdamW([one()], betas=(0.9, 1.0)), r"AdamW: betas must be two numbers .* not \(0.9, 1.0\)"),
    (lambda: Adam([one()], betas=(0.9,)), "Adam: betas must be two numbers"),
    (lambda: SGD([one()], momentum=-0.1), "SGD: momentum must be a number of at least 0, not -0.1"),
    (lambda: SGD([one()], nesterov=True), "nesterov needs a momentum above 0"),
    (lambda: SGD([one()], momentum=0.9, dampening=0.1, nesterov=True), "and a dampening of 0, not .*dampening=0.1"),
    (lambda: SGD([w := one(), w]), "a parameter was given twice"),
    (lambda: SGD([Tensor(SHARED), Tensor(SHARED[1:])]), r"params\[0\] and params\[1\] share memory"),
    (lambda: SGD([one() * 2]), r"params\[0\] is the result of an operation; only leaves"),
])
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parameters_may_be_interleaved():
    array = np.zeros((4, 6))
    assert len(SGD([Tensor(array[:, ::2]), Tensor(array[:, 1::2])]).params) == 2


def test_bad_parameters():
    with pytest.raises(TypeError, match=r"such as model.parameters\(\), not a Tensor"):
        SGD(one())
    with pytest.raises(TypeError, match="not a int"):
        SGD(3)
    with pytest.raises(TypeError, match="not a ndarray"):
        SGD(np.ones(2))
    with pytest.raises(TypeError, match="not a set, whose order changes from run to run"):
        SGD({one()})
    with pytest.raises(TypeError, match="load_state_dict: the state must be a dict, not a list"):
        SGD([one()]).load_state_dict([])
    with pytest.raises(TypeError, match="SGD: params has dicts and also a Tensor: give a list of Tensors, or"):
        SGD([one(), {"params": []}])
    param = one()
    param.grad = np.ones((2, 1), np.float32)
    with pytest.raises(ValueError, match=r"step: params\[0\] has shape \(1,\), its gradient \(2, 1\)"):
        SGD([param]).step()
    param.grad = np.ones(1, np.float32)
    with pytest.raises(NotImplementedError):
        Optimizer([param], 1).step()


def test_a_foreign_state_is_refused_and_changes_nothing():
    optimizer = Adam(parameters())
    run(optimizer, gradients(2))
    before, good = optimizer.state_dict(), optimizer.state_dict()
    cases = [(AdamW(parameters()).state_dict(), "has optimizer = 'AdamW', the optimiser has 'Adam'"),
             (Adam([one()]).state_dict(), "has params = 1, the optimiser has 3"),
             ({k: v for k, v in good.items() if k != "eps"}, "the state lacks eps"),
             (good | {"0.exp_avg": np.ones(2)}, r"0.exp_avg has shape \(2,\), the parameter \(3, 4\)"),
             (good | {"7.exp_avg": np.ones(2)}, "7.exp_avg belongs to none of the 3 parameters"),
             ({}, "has optimizer = None")]
    for state, message in cases:
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(state)
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_a_read_only_parameter_is_refused():
    array = np.ones(2)
    array.flags.writeable = False
    param = Tensor(array, requires_grad=True)
    param.grad = np.ones(2)
    with pytest.raises(RuntimeError, match=r"step: the array of params\[0\] is read-only: make the"):
        SGD([param]).step()
