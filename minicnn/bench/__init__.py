"""How fast and how exact minicnn is, measured in turn with other libraries; `minicnn bench` is its command line.

Each competitor lives in a process of its own (`worker`). The parent (`worker_process`) asks for one thing at a time
(`round_robin`), so that a busy machine slows all of them alike. A library to compare with is one file and one line in
`libraries`.
"""
