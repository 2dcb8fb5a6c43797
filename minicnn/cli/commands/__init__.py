"""One file for each command, with `add_parser` and `run`."""
