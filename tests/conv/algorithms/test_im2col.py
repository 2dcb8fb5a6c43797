"""im2col: blocks of rows, sums in pieces, and no copy where none is needed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn.conv import Geometry, algorithms
from minicnn.conv.algorithms import im2col as module
from tests.conv.geometries import geometries, integers, operands, run

im2col = algorithms()["im2col"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(geometry=geometries(), seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 3))
def test_the_size_of_blocks_does_not_matter(geometry, seed, rows):
    g, arrays = geometry, operands(geometry, integers(np.random.default_rng(seed)))
    whole = run(im2col, g, *arrays)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", rows * g.in_channels * g.kernel[0] * g.kernel[1] * g.out_size[1] * g.batch)
        patch.setattr(module, "PIECE", 1)
        for a, b in zip(run(im2col, g, *arrays), whole, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("geometry"), [
    Geometry.of((4, 20, 24, 24), (40, 20, 5, 5)),
    Geometry.of((1, 512, 16, 16), (64, 512, 3, 3), padding=1),
    Geometry.of((16, 16, 32, 32), (16, 16, 3, 3), padding=1),
    Geometry.of((1, 4, 32, 32), (4, 4, 31, 31), padding=15),
])
@pytest.mark.parametrize("draw", ["random", "standard_normal"])
def test_errors_also_where_all_products_have_one_sign(geometry, draw, rng):
    g = geometry
    arrays = operands(g, getattr(rng, draw))
    wide = [a.astype(float) for a in arrays]
    for ours, theirs, scale in zip(run(im2col, g, *arrays), run(im2col, g, *wide), run(im2col, g, *map(abs, wide)),
                                   strict=True):
        assert ours.dtype == np.float32
        assert (abs(ours - theirs) <= im2col.error_bound * np.finfo(np.float32).eps * scale).all()


def test_an_image_that_is_its_own_columns_is_not_copied(rng):
    x = rng.standard_normal((4, 5, 6, 2))
    g = Geometry.of((2, 4, 5, 6), (4, 2, 1, 1), groups=2)
    assert np.shares_memory(module.unfold(x, g, 0, 5), x) and module.blocks(g) == [(0, 5)]
    for options in {"padding": 1}, {"stride": 2}:
        g = Geometry.of((2, 4, 5, 6), (4, 4, 1, 1), **options)
        assert not np.shares_memory(module.unfold(x, g, 0, 2), x)


def test_fold_is_the_adjoint_of_unfold(rng):
    g = Geometry.of((2, 3, 7, 6), (1, 3, 3, 2), stride=(2, 1), padding=(2, 1), dilation=(1, 3), dtype="float64")
    x, image = rng.standard_normal((2, *g.in_shape[1:], g.batch)), np.zeros((*g.in_shape[1:], g.batch))
    columns = rng.standard_normal(module.unfold(x[0], g, 1, 3).shape)
    module.fold(columns, g, 1, 3, image)
    assert (columns * module.unfold(x[0], g, 1, 3)).sum() == pytest.approx((image * x[0]).sum(), rel=1e-12)
