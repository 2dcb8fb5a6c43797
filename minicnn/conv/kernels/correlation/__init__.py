"""Sums over the taps of a convolution, held in registers: the kernels of `direct`.

    image       the padded image, its columns sorted by the stride
    merge       an image from such columns
    plan        register blocks, panels, chunks of taps, jobs
    kernel      the sums
"""
