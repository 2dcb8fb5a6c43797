"""Images are cut into tiles as defined, and joined by the adjoint."""

import numpy as np
import pytest

from minicnn.conv.kernels.winograd_small_batch import Grid

GRIDS = {                       # pixels (H, W, N); size, step, origin, tiles, place
    "overlapping": ((9, 7, 3), (4, 2, (0, 0), (4, 3), (3, 16))),
    "padded": ((5, 8, 1), (6, 4, (2, 1), (2, 3), (1, 8))),
    "apart": ((10, 10, 2), (3, 5, (0, 0), (2, 2), (1, 16))),
    "beyond the image": ((3, 3, 1), (2, 2, (0, 0), (4, 4), (2, 8))),
    "more padding than tile": ((4, 4, 1), (3, 1, (5, 5), (12, 12), (9, 16))),
}
each = pytest.mark.parametrize("pixels, arguments", GRIDS.values(), ids=GRIDS)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cut_is_its_definition(pixels, arguments, dtype, rng):
    (H, W, N), (T, B) = pixels, arguments[4]
    size, step, (top, left), tiles, _ = arguments
    image = rng.standard_normal((2, *pixels)).astype(dtype)
    pieces = Grid(pixels, *arguments).cut(image)
    assert pieces.shape == (2, size, T * size, B)
    assert pieces.dtype == dtype
    wanted = np.zeros_like(pieces)
    for tile, (y, x, n) in enumerate(np.ndindex(*tiles, N)):
        for i, j in np.ndindex(size, size):
            row, column = y * step + i - top, x * step + j - left
            if 0 <= row < H and 0 <= column < W:
                wanted[:, i, tile // B * size + j, tile % B] = image[:, row, column, n]
    np.testing.assert_array_equal(pieces, wanted)


@each
def test_join_is_the_adjoint(pixels, arguments, rng):
    grid = Grid(pixels, *arguments)
    image = rng.integers(-9, 10, (2, *pixels)).astype(float)
    pieces = rng.integers(-9, 10, grid.cut(image).shape).astype(float)
    assert (grid.cut(image) * pieces).sum() == (image * grid.join(pieces)).sum()


def test_what_is_read_may_be_read_only(rng):
    pixels, arguments = GRIDS["overlapping"]
    image = rng.standard_normal((2, *pixels))
    image.flags.writeable = False
    Grid(pixels, *arguments).cut(image)
