"""Compiled kernels. Addresses exist only in this folder, and only these files decide whether kernels compile again.

    vector, simd, numbers, compile          vectors; register tiles; numbers in memory; from Python to machine code
    correlation                             sums over the taps of a convolution
    weight_plan, weight_products            sums over its pixels: the gradient of its weight
    relu_gradient                           the gradient through a ReLU and a bias
    cook_toom, cook_toom_transform          Winograd's matrices in exact fractions, and as machine code
    winograd_forward, winograd_backward, winograd_backward_steps, winograd_weight, winograd_small_batch

A file ends with functions that take arrays: they allocate the result, pack the sizes and call the kernel on all
threads. Kernels take few arguments; NamedTuples name the sizes, the register blocks and the places in scratch memory.
The tests run the same source as plain Python, with every access checked.

Words of all kernels
    vector              a processor register full of numbers
    lane                one number of a vector; lanes are numbered from 0
    register tile       a matrix of vectors that stays in registers
    register block      the part of a result that one register tile holds
    block               a register block; or a compiled inner loop that computes one and has an address
    job                 the smallest piece of work that a thread takes; a kernel gets a range of jobs, start to stop
    task                the packed NamedTuple with everything that a kernel needs besides its range of jobs
    rectify             whether the ReLU is part of the convolution
    places              where each array lies in scratch memory, in numbers from its start

Notation of Winograd
    F, F(m x m, r x r)  the tile: m x m outputs of a kernel with r x r taps; not the module `functional`
    n                   m + r - 1: a tile has n x n input pixels
    f = (i, j)          a frequency, one of the n x n positions in a transformed tile
    AT, G, BT           the matrices of `cook_toom`; A, GT and B are their transposes
    x, y, weight        images (C, H, W, N), outputs (K, OH, OW, N), weight (K, C, r, r)
    U = G weight GT     the transformed weight: at each frequency a matrix K x C
    V = BT x B          the transformed input: at each frequency C numbers of a tile
    M[f] = U[f] V[f]    the products: at each frequency K numbers of a tile
    dx, dV, dM, dU      the gradients with respect to x, V, M, U; dy is the cotangent of y
    pitch               pixel columns from one tile to the next: m, or n if the tiles do not overlap
    strip               some rows of tiles of one vector of images; a job of the backward pass is some strips
    edges               the r - 1 rows of dx that two strips share
"""
