# %% [markdown]
# # Wrong gradients that PyTorch's gradcheck passes
# `minicnn.gradcheck` takes functions and modules of PyTorch as they stand. Each backward below is wrong, and
# `torch.autograd.gradcheck` passes it. Its cotangents are unit vectors, its tolerances are wide, it checks inputs only.

# %%
import torch

from minicnn.gradcheck import GradcheckError, gradcheck

x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)


def square(backward, scale=1.0):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.kept = x                                    # nobody notices if this one changes
            return scale * x * x

        @staticmethod
        def backward(ctx, grad):
            return backward(grad, ctx.saved_tensors[0] if backward is not unsafe else ctx.kept)
    return Square.apply


def unsafe(grad, x):
    return 2 * grad * x


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(w, x)
        return x * w

    @staticmethod
    def backward(ctx, grad):                                # a gradient that is alone stands always first
        found = [grad * one for one, needed in zip(ctx.saved_tensors, ctx.needs_input_grad, strict=True) if needed]
        return (*found, None)[:2]


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))

    def forward(self, x):
        return square(lambda grad, w: grad * w)(self.weight) * x


# %% [markdown]
# ## What minicnn says of each

# %%
wrong = {
    "The cotangent is clipped": (square(lambda grad, x: 2 * x * grad.clamp(-1, 1)), x),
    "The gradient is wrong by 0.05 %": (square(lambda grad, x: 2.001 * x * grad), x),
    "It is 0, where the right one is tiny": (square(lambda grad, x: 0 * grad, scale=1e-6), x),
    "A change of x would not be noticed": (square(unsafe), x),
    "It is in the wrong place if only w needs one": (Product.apply, x, x.detach().clone().requires_grad_()),
    "The second output is detached": (lambda x: (x * x, (x ** 3).detach()), x),
    "The factor 2 of a parameter is missing": (Scale(), x),
}
for name, (function, *inputs) in wrong.items():
    assert torch.autograd.gradcheck(function, inputs)       # passes
    try:
        gradcheck(function, inputs)
    except GradcheckError as error:
        print(f"{name}.\n{error}\n")

# %% [markdown]
# ## Where PyTorch's is stricter
# It can check second derivatives, forward mode and batched gradients. minicnn checks first derivatives only.

# %%
once = square(lambda grad, x: 2 * grad * x.detach())
print("minicnn:", gradcheck(once, x), " second derivatives in PyTorch:",
      torch.autograd.gradgradcheck(once, x, raise_exception=False))
