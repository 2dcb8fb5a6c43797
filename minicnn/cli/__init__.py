"""The command line: each command is one file, listed in `main.COMMANDS`. Here are the exit statuses of all commands."""

OK = 0
FAILED = 1              # a check failed: the command did its work, and its result is "no"
WRONG_INPUT = 2
BUG = 70
