"""What a user of the library does, and does wrong, on three ranks. Each function is a test that all ranks run."""

import re
import tempfile

import numpy as np
from mpi4py import MPI

import minicnn
from minicnn import InputError, StateError, Tensor, nn, optim
from minicnn import functional as F
from minicnn.data import DataLoader, Dataset
from minicnn.distributed import DataParallel, agree, share_cores
from minicnn.training import Settings, fit, run

WORLD = MPI.COMM_WORLD
RANK, SIZE = WORLD.rank, WORLD.size
RNG = np.random.default_rng


class Counting:
    """A communicator that counts the bytes of its sums. After `strict` it refuses whatever pickles an object."""

    def __init__(self, comm):
        self.comm, self.sent, self.strict = comm, [], False

    def __getattr__(self, name):
        assert not (self.strict and name in ("bcast", "allgather", "allreduce", "gather", "send", "recv")), name
        return getattr(self.comm, name)

    def Iallreduce(self, send, receive):
        self.sent.append(receive.nbytes)
        return self.comm.Iallreduce(send, receive)


def refused(error, pattern, function, *arguments):
    """The call must raise this error, with such a message."""
    try:
        function(*arguments)
    except error as found:
        assert re.search(pattern, str(found)), found
        return
    raise AssertionError(f"{function} raised nothing")


def network(**options):
    rng = RNG(5)
    return nn.Sequential(nn.Linear(6, 4, rng=rng, **options), nn.Tanh(), nn.Linear(4, 3, rng=rng, **options))


def backward(model, parallel, n=7, layers=None):
    """A backward pass on the ranks' parts of n rows."""
    x, y = RNG(n).normal(size=(n, 6)), RNG(n).integers(0, 3, n)
    part = parallel.part(n)
    out = (layers or model)(Tensor(x[part], dtype=model[0].weight.dtype))
    F.cross_entropy(out, y[part]).backward()


def gradients(model):
    return [parameter.grad for parameter in model.parameters()]


def a_step_sends_the_bytes_of_the_gradients_and_a_header():
    model, comm = network(), Counting(WORLD)
    parallel = DataParallel(model, comm, bucket_bytes=64)
    comm.strict = True
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    parameters = sum(parameter.data.nbytes for parameter in model.parameters())
    for _ in range(3):
        comm.sent.clear()
        parallel.extra = [1.0, RANK]
        backward(model, parallel)
        optimizer.step()
        assert sum(comm.sent) == parameters + 3 * 8                   # the header: three numbers of float64
        assert len(comm.sent) == 3 and comm.sent[-1] == 24            # and two buckets
        assert parallel.extra.tolist() == [SIZE, sum(range(SIZE))]
    parallel.close()


def messages_start_while_backward_goes_on():
    model, comm, seen = network(), Counting(WORLD), []
    parallel = DataParallel(model, comm, bucket_bytes=1)
    first = model[0].weight
    hook = first.gradient_hook
    first.gradient_hook = lambda grad: seen.append(len(comm.sent)) or hook(grad)
    backward(model, parallel)
    assert seen[0] >= 2                           # the last layer's gradients were sent before the first layer's
    parallel.close()


def gradients_are_those_of_one_rank_and_add_up():
    for n in (7, 3, 2, 1):                        # also fewer images than ranks
        alone, model = network(dtype=np.float64), network(dtype=np.float64)
        backward(alone, DataParallel(alone), n)
        parallel = DataParallel(model, WORLD)
        backward(model, parallel, n)
        for expected, found in zip(gradients(alone), gradients(model), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)
        once = [grad.copy() for grad in gradients(model)]
        backward(model, parallel, n)
        assert all(np.array_equal(2 * grad, twice) for grad, twice in zip(once, gradients(model), strict=True))
        parallel.close()
        assert all(parameter.gradient_hook is None for parameter in model.parameters())


def all_ranks_begin_with_rank_0():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout())             # other numbers on each rank
    model[1].running_mean[:] = RANK + 1
    model[0].weight.data = np.asfortranarray(model[0].weight.data)
    rng = model[2].rng
    parallel = DataParallel(model, WORLD)
    for array in model.state_dict().values():
        assert all(np.array_equal(array, other) for other in WORLD.allgather(array))
    assert model[1].running_mean.tolist() == [1, 1]
    model.train()
    parallel.part(9)
    first = model[2](np.ones((3, 50), np.float32)).data
    rows = WORLD.allgather(first)
    assert not np.array_equal(rows[0], rows[1])                       # each rank has its own rows,
    draws = WORLD.allgather(rng.random())
    assert draws == draws[:1] * SIZE                                  # of one stream of random numbers
    parallel.close()
    assert model[2].rng is rng


def statistics_are_averaged_by_the_images():
    model = nn.Sequential(nn.BatchNorm1d(2, momentum=None))
    parallel = DataParallel(model, WORLD)
    part = parallel.part(8)                       # 2, 3 and 3 rows
    model(Tensor(np.repeat(np.arange(8.0)[:, None], 2, 1)[part]))
    parallel.average_buffers()
    np.testing.assert_allclose(model[0].running_mean, [3.5, 3.5], rtol=1e-6)
    assert model[0].num_batches_tracked == 1
    before = model[0].running_mean.copy()
    parallel.average_buffers()                    # no images since: nothing changes
    assert np.array_equal(model[0].running_mean, before)
    parallel.close()


def parts_are_disjoint_and_complete():
    images, labels = RNG(0).integers(0, 256, (11, 8, 8)).astype(np.uint8), np.arange(11)
    make = lambda: DataLoader(images, labels, 4, shuffle=True, max_shift=2, augment=("flip", "rotate", "crop"),
                              rng=RNG(3))
    parallel = DataParallel(network(), WORLD)
    own = list(parallel.shards(make(), start=1))
    for k, (x, y) in enumerate(make().batches(1)):
        parts = WORLD.allgather(own[k])
        assert np.array_equal(np.concatenate([part[0] for part in parts]), x)
        assert np.concatenate([part[1] for part in parts]).tolist() == y.tolist()
    parallel.close()


def frozen_and_unused_parameters_stay():
    model = nn.Sequential(*network(), nn.Linear(3, 3))
    model[0].weight.requires_grad = False
    parallel = DataParallel(model, WORLD)
    backward(model, parallel, layers=nn.Sequential(*list(model)[:3]))             # without the last layer
    assert [grad is None for grad in gradients(model)] == [True, False, False, False, True, True]
    parallel.close()


def float32_and_float64_do_not_mix():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, dtype=np.float64))
    parallel = DataParallel(model, WORLD)
    part = parallel.part(6)
    (model(Tensor(np.ones((6, 2))[part])) ** 2).mean().backward()
    assert [grad.dtype.name for grad in gradients(model)] == ["float32"] * 2 + ["float64"] * 2
    parallel.close()


def mistakes_are_told():
    refused(InputError, "rank 1 would not do the same work as rank 0: lr is 1 instead of 0", agree, WORLD, {"lr": RANK})
    refused(InputError, r"weight is float32 \(3, 2\) instead of float32 \(2, 2\)", DataParallel,
            nn.Linear(2, 3 if RANK == 2 else 2), WORLD)
    model = network()
    parallel = DataParallel(model, WORLD)
    model[1].rng = generator = RNG(0)             # a refused DataParallel changes nothing
    refused(StateError, "belongs to another DataParallel: close that one first", DataParallel, model, WORLD)
    assert model[1].rng is generator
    refused(StateError, r"part of the batch is not known: use parallel\.shards", F.cross_entropy(
        model(Tensor(np.ones((1, 6)))), np.array([0])).backward)
    parallel.close()
    parallel = DataParallel(model, WORLD)
    for one in list(model)[:1], list(model)[2:]:  # fewer layers, and as many as on another rank
        some = nn.Sequential(*one) if RANK == 1 else nn.Sequential(*list(model)[:1]) if one[0] is model[2] else model
        x = np.ones((7, some[0].weight.shape[1]))[parallel.part(7)]
        refused(StateError, "other parameters took part on another rank: let all ranks compute the same",
                some(Tensor(x)).sum().backward)
    parallel.close()


def a_backward_that_was_ended_by_an_error_is_not_gone_on_with():
    model = network()
    parallel = DataParallel(model, WORLD, bucket_bytes=1 << 20)
    hook = model[0].weight.gradient_hook
    model[0].weight.gradient_hook = lambda grad: 1 / 0
    refused(ZeroDivisionError, "", backward, model, parallel)         # some gradients are complete, nothing was sent
    model[0].weight.gradient_hook = hook
    refused(StateError, "an error has ended the last backward", parallel.part, 7)
    parallel.close()


def fit_refuses_ranks_that_differ():
    images, labels = np.zeros((12, 2, 3), np.uint8), np.arange(12) % 3
    model = nn.Sequential(nn.Flatten(), *network())
    for what, options in {"the checksum of the data": {}, "batch_size": {"batch_size": 3 + RANK}}.items():
        if not options:
            images[0] = RANK
        data = Dataset("zeros", "here", images, labels, images, labels)
        refused(InputError, f"rank 1 would not do the same work as rank 0: {what} is .* instead of",
                lambda data=data, options=options: fit(model, data, Settings(epochs=1, **options), comm=WORLD))
        images[0] = 0
    version, minicnn.__version__ = minicnn.__version__, f"0.{RANK}"
    refused(InputError, "the version of minicnn is 0.1 instead of 0.0", lambda: fit(
        model, data, Settings(epochs=1), comm=WORLD))
    minicnn.__version__ = version


def fit_refuses_a_part_that_is_too_small_before_the_first_step():
    images, labels = np.zeros((16, 2, 3), np.uint8), np.arange(16) % 3           # 8, 8: parts of 2, 3 and 3
    data = Dataset("zeros", "here", images, labels, images, labels)
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(6), *network())
    assert len(fit(model, data, Settings(epochs=1, batch_size=8), comm=WORLD)) == 1
    refused(InputError, r"training needs more than one value per channel, the input has shape \(1, 6\)",
            lambda: fit(model, data, Settings(epochs=1, batch_size=13), comm=WORLD))             # 13, 3


def fit_makes_the_checksum_of_the_data_once():
    images, labels = np.zeros((12, 2, 3), np.uint8), np.arange(12) % 3
    made, checksum = [], run.data_checksum
    run.data_checksum = lambda data: made.append(data) or checksum(data)
    data = Dataset("zeros", "here", images, labels, images, labels)
    with tempfile.TemporaryDirectory() as folder:
        fit(nn.Sequential(nn.Flatten(), *network()), data, Settings(epochs=1), out=folder, comm=MPI.COMM_SELF)
    run.data_checksum = checksum
    assert len(made) == 1


def any_communicator_will_do():
    half = WORLD.Split(RANK // 2)                 # ranks 0 and 1, and rank 2 alone
    model = network()
    parallel = DataParallel(model, half)
    backward(model, parallel)
    assert (parallel.rank, parallel.size) == ([0, 1, 0][RANK], [2, 2, 1][RANK])
    parallel.close()


def cores_are_shared():
    counts = WORLD.allgather(share_cores(WORLD))
    from minicnn.conv.runtime.threads import allowed_cores
    assert sum(counts) == max(len(allowed_cores()), SIZE) and max(counts) - min(counts) <= 1


for test in (
        a_step_sends_the_bytes_of_the_gradients_and_a_header,
        messages_start_while_backward_goes_on,
        gradients_are_those_of_one_rank_and_add_up,
        all_ranks_begin_with_rank_0,
        statistics_are_averaged_by_the_images,
        parts_are_disjoint_and_complete,
        frozen_and_unused_parameters_stay,
        float32_and_float64_do_not_mix,
        mistakes_are_told,
        a_backward_that_was_ended_by_an_error_is_not_gone_on_with,
        fit_refuses_ranks_that_differ,
        fit_refuses_a_part_that_is_too_small_before_the_first_step,
        fit_makes_the_checksum_of_the_data_once,
        any_communicator_will_do,
        cores_are_shared):
    test()
    if RANK == 0:
        print(test.__name__)
