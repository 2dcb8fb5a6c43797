"""The speed and the exactness of minicnn, compared with other libraries. `minicnn bench` is the command.

Each competitor runs in a process of its own (`worker`). The parent process (`worker_process`) lets the competitors take
turns (`round_robin`), so other load of the machine slows all of them. A library to compare with is one file in
`libraries`.
"""
