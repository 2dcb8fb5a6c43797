"""How `correlation` divides its work: register blocks, panels, chunks of taps that fit the cache, and jobs."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from ...runtime.target import target
from .image import Axis, CopySizes, Image, copy_plan, image_places

JOBS = 64                       # enough for as many cores
LEAST = 100_000                 # products that are worth a job
PAGES = 48                      # of memory, whose addresses a processor remembers
OWN = 2**18                     # bytes of the image of a job
ADDRESSES = 8                   # rows and columns of a block: each takes a general register for its place
NEAR = 2**14                    # bytes of x that stay in the cache for all channels: half of a small first-level cache
PARTIAL = 2**17                 # bytes of the partial sums of a job: a part of a small second-level cache
FAR = 2**17                     # numbers of an image that is larger than the second-level cache
MISS = 8                        # half cycles of the first load of what a tap meets from such an image: measured
LATENCY = 8                     # half cycles of a multiply-add


class Correlation(NamedTuple):
    """A sum over taps q = (c, i, j): out[group, k, row, column] = sum of weight[group, k, q] x[group, c, ...]."""

    bits: int
    groups: int
    channels: int               # k, of a group
    depth: int                  # c, of a group
    batch: int
    rows: Axis
    columns: Axis
    weight: tuple[int, int, int]            # numbers from one group, k, c of the weight to the next
    weight_taps: tuple[int, ...]            # the place of each tap (i, j)
    out: tuple[int, int, int]               # numbers from one channel, row, column of the output to the next

    @property
    def taps(self) -> int:
        return self.depth * len(self.rows.taps) * len(self.columns.taps)


class Sizes(NamedTuple):
    """The sizes of `correlation_kernel`, in numbers."""

    channels: int       # k, of a group
    depth: int          # c, of a group
    row_pixels: int     # of an output row
    pixels: int         # the same; if tiles are packed, of all rows
    taps: int
    chain: int          # products in a chain of additions
    x_group: int        # from one group of x to the next
    x_row: int          # from what one output row meets to what the next one meets
    batch: int
    skip: int           # numbers of x between what an output meets and what the next one meets
    w_group: int
    w_channel: int
    out_channel: int
    out_row: int


class Plan(NamedTuple):
    """How the work is divided. A tile is `columns` vectors of pixels."""

    columns: int
    large: int          # channels of the first register blocks
    large_blocks: int
    small_blocks: int   # blocks that have one channel less
    packed: int         # whether the pixels that a tile meets are copied into a panel
    in_row: int         # vectors of an output row
    vectors: int        # of all rows
    some: int           # vectors of a job
    parts: int          # jobs that share the vectors
    k_parts: int        # jobs that share the channels
    chunk: int          # taps
    own_rows: int       # output rows of a job that makes its part of the image itself; else 0
    image: int          # numbers of that part
    partial: int        # numbers of the partial sums of a job

    @property
    def blocks(self) -> int:
        """Register blocks that cover all channels of a group."""
        return self.large_blocks + self.small_blocks


class Planned(NamedTuple):
    """A plan with everything that depends on the correlation alone."""

    sizes: Sizes
    plan: Plan
    image: Image
    copy: CopySizes             # for jobs that make their part of the image
    tables: np.ndarray
    places: np.ndarray          # (Q,) int64: where tap q begins in the image of a group
    taps: np.ndarray            # (Q, 2) int64: the same in the panel or the image, and in the weight
    half_cycles: float          # the predicted time of one core


def shapes() -> list[tuple[int, int]]:
    """(most rows, columns) of the register blocks that are used.

    >>> all(target().holds(rows, columns) for rows, columns in shapes())
    True
    """
    most: dict[int, int] = {}
    for rows, columns in target().blocks():
        most[columns] = max(most.get(columns, 1), min(rows, ADDRESSES - columns))
    return [(rows, columns) for columns, rows in most.items() if columns <= 7]


def _image(s: Correlation, short: bool) -> Image:
    """The image. It is a copy if rows are `short`: a vector reaches beyond its row; or if a vector meets a gap."""
    gaps = s.columns.step > 1 and s.batch % target().lanes(s.bits) > 0
    return image_places(s.rows, s.columns, s.batch, short or gaps)


def _cost(s: Correlation, plan: Plan, lanes: int, pixels: int) -> float:
    """The predicted time of a group, in half cycles: a processor adds two products or loads two vectors in a cycle."""
    tiles, total = -(-plan.vectors // plan.columns), 0.0
    chunks = -(-s.taps // plan.chunk)
    image = _image(s, pixels < lanes)
    far = _apart(s, image) and not plan.packed and not plan.own_rows
    for rows, blocks in ((plan.large, plan.large_blocks), (plan.large - 1, plan.small_blocks)):
        size = rows * plan.columns
        step = max(size + 1, rows + plan.columns + 2, LATENCY) + 2 * far
        total += blocks * (s.taps * step + chunks * (30 + 2 * size))
    pieces = 1 if s.columns.out * s.batch % lanes == 0 or plan.in_row * lanes == pixels else 1 + lanes / pixels
    packed = plan.columns * s.taps * (3 + 4 * pieces) * plan.k_parts if plan.packed else 0
    copied = 0.0
    if image.copied:
        numbers = s.depth * image.channel
        rows = numbers // image.row * len(s.columns.phases)
        copied = 2 * numbers + 60 * rows
        if plan.own_rows:
            copied = plan.k_parts * plan.parts * (plan.image / 2 + 60 * plan.image / image.row * len(s.columns.phases))
    return tiles * (total + packed + 20 + 10 * plan.columns) + copied


def _missed(s: Correlation, plan: Plan, image: Image) -> float:
    """Half cycles of the first loads of what the tiles meet from a large image: few if tiles are wide."""
    far = _apart(s, image) and s.groups * s.depth * image.channel > FAR
    return MISS * s.taps * -(-plan.vectors // plan.columns) if far else 0


def _apart(s: Correlation, image: Image) -> bool:
    """Whether the taps meet more pages of memory than a processor remembers."""
    return image.channel * s.bits // 8 > 2048 and s.depth * len(s.rows.taps) > PAGES


def _plan(s: Correlation, most: int, columns: int, packed: bool, rows: int, pixels: int) -> Plan:
    """The plan for one shape of register blocks."""
    lanes = target().lanes(s.bits)
    blocks = -(-s.channels // most)
    large = -(-s.channels // blocks)
    large_blocks = s.channels - blocks * (large - 1)
    if packed:
        rows, pixels = 1, rows * pixels
    in_row = -(-pixels // lanes)
    vectors, chunk = rows * in_row, s.taps
    chain, near = chain_of(s.taps), NEAR // (columns * lanes * s.bits // 8)
    if s.taps > near and (packed or blocks > 2):
        chunk = max(near // chain, 1) * chain
    tiles, work = -(-vectors // columns), s.channels * s.taps * columns * lanes
    room = PARTIAL // (s.channels * columns * lanes * s.bits // 8) if chunk < s.taps else tiles
    heavy = 8 if s.channels * s.taps * s.bits // 8 > 2**18 else 1
    wanted = max(LEAST // work, heavy, 1)
    some = max(min(wanted, room, max(tiles * s.groups // JOBS, LEAST // work), tiles), 1)
    parts = -(-tiles // some)
    k_parts = min(-(-JOBS // (parts * s.groups)), max(some * work // LEAST, 1), max(blocks // (4 if packed else 1), 1))
    partial = s.channels * some * columns * lanes if chunk < s.taps else 0
    return Plan(columns, large, large_blocks, blocks - large_blocks, packed, in_row, vectors, some * columns, parts,
                k_parts, chunk, 0, 0, partial)


def _own(s: Correlation, plan: Plan) -> Plan | None:
    """The same plan with jobs that make their part of the image, or None."""
    def image(rows: int) -> int:
        return s.depth * image_places(s.rows._replace(out=rows), s.columns, s.batch, True).channel
    most = s.rows.out
    while image(most) * s.bits // 8 > OWN:
        most = most * 2 // 3
        if most == 0:
            return None
    lanes = target().lanes(s.bits)
    work = s.channels * s.taps * plan.in_row * lanes    # of a row
    most = min(most, max(-(-s.rows.out * s.groups // JOBS), -(-LEAST // work), 1))
    parts = -(-s.rows.out // most)
    most = -(-s.rows.out // parts)
    partial = s.channels * -(-most * plan.in_row // plan.columns) * plan.columns * lanes if plan.partial else 0
    if partial * s.bits // 8 > PARTIAL:
        return None
    return plan._replace(some=most * plan.in_row, parts=-(-s.rows.out // most), k_parts=1, own_rows=most,
                         image=image(most) + lanes, partial=partial)


def chain_of(taps: int) -> int:
    """The products in a chain of additions: L^(2/3) of L terms has the least error.

    >>> chain_of(9), chain_of(1000)
    (16, 100)
    """
    return max(16, round(taps ** (2 / 3)))


@functools.lru_cache(maxsize=1024)
def tap_places(s: Correlation, image: Image) -> np.ndarray:
    """(Q,) int64: where tap q begins in the image of a group."""
    channels = np.arange(s.depth)[:, None, None]
    places: Any = channels * image.channel + np.array(image.taps_y)[:, None] + np.array(image.taps_x)
    return places.ravel()


@functools.lru_cache(maxsize=1024)
def planned(s: Correlation) -> Planned:
    """The plan with the least predicted time."""
    lanes = target().lanes(s.bits)
    run = s.columns.out * s.batch
    image = _image(s, False)
    merged = image.row == run == s.out[1]               # all rows are one
    rows, pixels = (1, s.rows.out * run) if merged else (s.rows.out, run)
    plans = [_plan(s, *shape, packed, rows, pixels) for shape in shapes() for packed in (False, True)
             if not packed or run == s.out[1] or rows == 1]
    image = _image(s, pixels < lanes)
    if image.copied and not merged:                     # a job makes whole rows
        plans += [own for plan in plans if not plan.packed and (own := _own(s, plan))]
    plan = min(plans, key=lambda one: _cost(s, one, lanes, pixels) + _missed(s, one, image))
    half_cycles = s.groups * _cost(s, plan, lanes, pixels)
    met_rows = s.rows._replace(out=plan.own_rows) if plan.own_rows else s.rows
    image = image_places(met_rows, s.columns, s.batch, image.copied)
    flat = tap_places(s, image)
    weights = np.arange(s.depth)[:, None] * s.weight[2] + np.array(s.weight_taps)
    met = np.arange(s.taps) * (plan.columns * lanes) if plan.packed else flat
    sizes = Sizes(s.channels, s.depth, pixels, pixels * rows if plan.packed else pixels, s.taps, chain_of(s.taps),
                  s.depth * image.channel, image.row, s.batch, image.skip, s.weight[0], s.weight[1], *s.out[:2])
    copy, tables = copy_plan(s.depth * s.groups, met_rows, s.columns, s.batch)
    table = np.ascontiguousarray(np.stack((met, weights.ravel()), 1))
    return Planned(sizes, plan, image, copy, tables, flat, table, half_cycles)
