"""autograd.Functions of PyTorch with right and wrong backwards."""

import pytest

torch = pytest.importorskip("torch")
Function = torch.autograd.Function


def function(forward, backward):
    """A Function of one tensor, from forward(x) and backward(grad, x)."""
    class Made(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, grad):
            return backward(grad, *ctx.saved_tensors)
    return Made


def square(backward=lambda grad, x: 2 * grad * x):
    return function(lambda x: x * x, backward)


class Product(Function):
    """x * w, with setup_context and needs_input_grad."""

    @staticmethod
    def forward(x, w):
        return x * w

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, grad):
        x, w = ctx.saved_tensors
        return grad * w if ctx.needs_input_grad[0] else None, grad * x if ctx.needs_input_grad[1] else None


class MisplacedProduct(Product):
    """With one gradient only, it stands always in the first place."""

    @staticmethod
    def backward(ctx, grad):
        both = zip(ctx.needs_input_grad, ctx.saved_tensors[::-1], strict=True)
        found = [grad * other for needed, other in both if needed]
        return *found, *[None] * (2 - len(found))


class KeepsOnContext(Function):
    """It keeps x without save_for_backward, so that nobody notices when x changes."""

    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x * x

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad * ctx.x


class Doubles(Function):
    """It doubles x in place, and says so."""

    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


class DoublesSecretly(Function):
    @staticmethod
    def forward(ctx, x):
        return x.mul_(2) + 0

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


class TwoOutputs(Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x, 3 * x

    @staticmethod
    def backward(ctx, first, second):
        return 2 * first + 3 * second


class TwoOutputsUnmaterialized(TwoOutputs):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return 2 * x, 3 * x


class MarkedOutput(Function):
    @staticmethod
    def forward(ctx, x):
        cube = x ** 3
        ctx.mark_non_differentiable(cube)
        ctx.save_for_backward(x)
        return x * x, cube

    @staticmethod
    def backward(ctx, grad, _):
        return 2 * grad * ctx.saved_tensors[0]


class OnceDifferentiable(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        return 3 * grad * ctx.saved_tensors[0] ** 2


def reads_memory(grad, x):
    """It takes the cotangent's memory as if it were contiguous."""
    count = grad.untyped_storage().nbytes() // grad.element_size()
    flat = torch.as_strided(grad, (count,), (1,), 0)
    return 2 * x * flat.repeat(x.numel())[:x.numel()].reshape(x.shape)
