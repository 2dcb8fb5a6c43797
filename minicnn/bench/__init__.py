"""How fast and how exact minicnn is, beside other libraries; `minicnn bench` is its command line.

Each competitor lives in a process of its own (`worker`). The parent (`worker_process`) asks one of them at a time, in
turn (`round_robin`), so a busy machine slows all of them alike. A library to compare with is one file in `libraries`.
"""
