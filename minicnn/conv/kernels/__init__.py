"""Compiled kernels. Addresses exist only in this folder, and only these files decide whether kernels compile again.

    simd, compile                           vectors and register tiles; from Python to machine code
    direct, relu_gradient                   sums over taps and over pixels; the gradient through a ReLU and a bias
    cook_toom, cook_toom_transform          Winograd's matrices in exact fractions, and as machine code
    winograd_forward, winograd_backward, winograd_backward_steps, winograd_weight, winograd_small_batch

A file ends with functions that take arrays: they allocate the result, pack the sizes and call the kernel on all
threads. Kernels take few arguments; NamedTuples name the sizes, the register blocks and the places in scratch memory.
The tests run the same source as plain Python, with every access checked.
"""
