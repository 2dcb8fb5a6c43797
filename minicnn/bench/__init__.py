"""How fast and how exact minicnn is, measured in turn with other libraries; `minicnn bench` is its command line.

Each competitor lives in a process of its own (`worker`), which the parent (`processes`) asks for one thing at a time
(`turns`), so that a busy machine slows all of them alike. A library to compare with is one file, `with_*.py`, and one
line in `peers`.
"""
