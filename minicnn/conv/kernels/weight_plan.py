"""How `weight_products` divides its work: register blocks, chunks that fit the cache, and jobs."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from ..runtime.target import target

JOBS = 64                       # enough for as many cores
LEAST = 100_000                 # products that are worth a job
STEPS = 64                      # vectors of pixels of a chunk
ROWS = 10                       # of a block: each row takes a general register for its tap
PANEL = 2**14                   # bytes of a panel: half of a small first-level cache
TOTALS = 2**17                  # bytes of the sums of a job: a part of a small second-level cache
SHORT = 128                     # taps of a job: with fewer, the panels are transposed too often


class Sizes(NamedTuple):
    """The sizes of a weight's gradient, in numbers."""

    groups: int
    channels: int       # k, of a group
    taps: int           # q, of a group
    rows: int           # of the output
    pixels: int         # of an output row
    x_group: int        # from one group of x to the next
    x_row: int          # from the input of an output row to that of the next

    @property
    def products(self) -> int:
        return self.groups * self.channels * self.taps * self.rows * self.pixels


def sizes_of(groups: int, channels: int, taps: int, rows: int, pixels: int, x_group: int, x_row: int) -> Sizes:
    """The same, with rows that lie one after the other as one row.

    >>> sizes_of(1, 8, 9, rows=5, pixels=7, x_group=100, x_row=7)[3:5]
    (1, 35)
    """
    if x_row == pixels:
        rows, pixels = 1, rows * pixels
    return Sizes(groups, channels, taps, rows, pixels, x_group, x_row)


class Plan(NamedTuple):
    """How the work is divided."""

    by_pixels: int      # whether the lanes of a block are pixels; otherwise they are output channels
    rows: int           # taps of a block
    columns: int        # vectors of a block for each tap
    k_blocks: int       # of a group
    q_blocks: int
    k_some: int         # blocks of a job
    q_some: int
    ranges: int         # of chunks; each range has sums of its own
    chunks: int
    chunk_rows: int     # output rows of a chunk
    chunk_pixels: int   # pixels of each of these rows

    @property
    def parts(self) -> tuple[int, int]:
        """The numbers of ranges of k-blocks and of q-blocks."""
        return -(-self.k_blocks // self.k_some), -(-self.q_blocks // self.q_some)


def blocks() -> list[tuple[int, int]]:
    """The register blocks (rows, columns) that are used. They are few, because each is compiled."""
    here = target()
    early = here.name == "NEON"             # LLVM loads all taps first: no multiply-add has an operand in memory
    held = [(rows, columns) for rows, columns in here.blocks()
            if rows * columns + columns + early * rows <= here.registers]
    most = {columns: max(rows for rows, other in held if other == columns and rows <= ROWS) for _, columns in held}
    return [(rows, columns) for columns, top in most.items() for rows in sorted({top, min(top, 9), min(top, 8)})
            if rows * columns >= 8 and columns <= 5]


@functools.lru_cache(maxsize=1024)
def plan_of(s: Sizes, bits: int) -> Plan:
    """The plan with the least predicted time."""
    lanes = target().lanes(bits)
    plans = [_plan(s, bits, lanes, *block, by_pixels) for block in blocks() for by_pixels in (0, 1)]
    return min(plans, key=lambda plan: cost(s, plan, lanes))


def cost(s: Sizes, plan: Plan, lanes: int) -> float:
    """The predicted time, in half cycles: a processor adds two products or loads two vectors in a cycle."""
    size, sums = plan.rows * plan.columns, plan.k_blocks * plan.q_blocks
    steps = s.rows * (-(-s.pixels // lanes) if plan.by_pixels else s.pixels)
    starts = plan.chunks * plan.chunk_rows              # of the innermost loop
    transposed = 0 if plan.by_pixels else plan.k_blocks * plan.columns * steps * (math.log2(lanes) + 4)
    step = max(size, plan.rows + plan.columns if plan.by_pixels else 0) + 1     # broadcasts hide behind the products
    return s.groups * (sums * steps * step
                       + sums * (starts * (10 + plan.rows) + plan.chunks * size * 14)
                       + transposed * plan.parts[1]
                       + plan.ranges * sums * size * (2 * lanes if plan.by_pixels else 8))


def _plan(s, bits, lanes, rows, columns, by_pixels):
    width = columns if by_pixels else columns * lanes
    k_blocks, q_blocks = -(-s.channels // width), -(-s.taps // rows)
    chunk = _chunk(s, bits, lanes, width, by_pixels)
    chunks = -(-s.rows // chunk[0]) * -(-s.pixels // chunk[1])
    most = max(1, TOTALS // (8 * rows * columns * lanes))           # blocks of a job
    q_some = min(q_blocks, most)
    k_some = min(k_blocks, max(1, most // q_some))
    jobs = min(JOBS, max(1, s.products // LEAST))
    have = lambda: s.groups * -(-k_blocks // k_some) * -(-q_blocks // q_some)
    k_some = _split(k_blocks, k_some, 1, jobs, have())
    if not by_pixels:
        q_some = _split(q_blocks, q_some, -(-SHORT // rows), jobs, have())
    numbers = s.groups * (s.channels * s.rows * s.pixels + s.x_group)           # of both operands
    ranges = max(1, min(-(-jobs // have()), chunks, numbers // (4 * s.groups * s.channels * s.taps)))
    q_some = _split(q_blocks, q_some, 1 if by_pixels else -(-SHORT // rows // 2), jobs, have() * ranges)
    return Plan(by_pixels, rows, columns, k_blocks, q_blocks, k_some, q_some, ranges, chunks, *chunk)


def _split(count, some, least, jobs, have):
    """How many of `count` blocks a job gets, at most `some`, so that there are `jobs` jobs instead of `have`."""
    parts = -(-count // some)
    return min(some, max(least, -(-count // -(-parts * jobs // have)))) if have < jobs else some


def _chunk(s, bits, lanes, width, by_pixels):
    """(output rows, pixels of each) of a chunk."""
    chunk = STEPS * lanes if by_pixels else min(max(PANEL // (bits // 8 * width), 64), 512)
    if s.pixels > chunk:
        parts = -(-s.pixels // chunk)
        return 1, -(-s.pixels // parts // lanes) * lanes
    rows = min(s.rows, STEPS // -(-s.pixels // lanes) if by_pixels else chunk // s.pixels)
    return -(-s.rows // -(-s.rows // rows)), s.pixels
