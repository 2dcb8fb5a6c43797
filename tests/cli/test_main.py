"""All commands: exit statuses, help, streams that are closed, one line of JSON."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minicnn import __version__
from minicnn.cli.commands import info
from minicnn.cli.main import COMMANDS, make_parser

ROOT = Path(__file__).parents[2]
NAMES = [name for name in COMMANDS if name != "bench"]
MINICNN = [sys.executable, "-m", "minicnn"]


def shell(command):
    """Run a line of the shell, where `minicnn` is the command."""
    script = f'minicnn() {{ "{sys.executable}" -m minicnn "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})


@pytest.mark.parametrize("command", [*NAMES, "bench", "bench train", "bench conv", ""])
@pytest.mark.parametrize("columns", ["40", "80"])
def test_help_has_an_example(command, columns, run, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    status, out, _ = run(*command.split(), "--help")
    assert status == 0 and f"example: minicnn {command}".strip() in out


def test_every_command_has_a_file():
    files = {path.stem for path in (ROOT / "minicnn" / "cli" / "commands").glob("*.py")}
    assert files == {*COMMANDS, "__init__"}


def test_version(run):
    assert run("--version") == (0, f"minicnn {__version__}\n", "")


def test_no_command_prints_the_help(run):
    status, out, err = run()
    assert status == 2 and out == "" and "COMMAND" in err and "train the LeNet" in err


@pytest.mark.parametrize(("arguments", "message"), [
    (["fly"], "invalid choice: 'fly'"), (["bench"], "the following arguments are required: {train,conv,product}"),
    (["info", "--bach-size", "3"], "minicnn info: error: unknown argument: --bach-size. Did you mean --batch-size?"),
    (["info", "--batch", "3"], "unknown argument: --batch. Did you mean --batch-size?"),
    (["train", "--dataset", "cifar"], "argument --dataset: invalid choice: 'cifar'")])
def test_wrong_usage_is_told_in_two_lines(arguments, message, run):
    status, out, err = run(*arguments)
    assert status == 2 and out == "" and message in err and err.count("\n") == 2
    assert err.endswith("--help shows the options.\n")


def fail(monkeypatch, error):
    def run(arguments):
        raise error
    monkeypatch.setattr(info, "run", run)


def test_a_bug_keeps_its_traceback_and_says_how_to_report_it(run, monkeypatch):
    fail(monkeypatch, KeyError("lost"))
    status, out, err = run("info", "--model", "mlp")
    assert status == 70 and out == "" and "Traceback" in err and "KeyError: 'lost'" in err
    last = err.splitlines()[-1]
    assert last.startswith("minicnn info: this is a bug in minicnn. Please report it")
    assert f"minicnn {__version__}, Python {platform.python_version()}, {platform.platform()}" in last
    assert last.endswith("command line: minicnn info --model mlp")


@pytest.mark.parametrize(("error", "message"), [
    (OSError(28, "No space left on device"), "No space left on device"), (MemoryError(), "there is not enough memory"),
    (SystemExit(0), "your code ended the program by SystemExit(0)")])
def test_errors_of_the_surroundings_have_status_2(error, message, refused, monkeypatch):
    fail(monkeypatch, error)
    assert message in refused("info")


def test_verbose_shows_the_traceback_of_an_error(run, monkeypatch):
    monkeypatch.setenv("MINICNN_VERBOSE", "1")
    status, _, err = run("eval", "nowhere")
    assert status == 2 and "Traceback" in err and "error: nowhere: there is no such file" in err


def test_interrupted(run, monkeypatch):
    fail(monkeypatch, KeyboardInterrupt())
    status, out, err = run("info")
    assert status == 130 and out == "" and err == "\nminicnn info: interrupted\n"


def test_ctrl_c_while_numpy_is_imported():
    code = "import sys\nclass Finder:\n    def find_spec(self, name, *rest):\n        if name == 'numpy':\n" \
           "            raise KeyboardInterrupt\nsys.meta_path.insert(0, Finder())\n" \
           "from minicnn.cli.main import main\nsys.exit(main(['info']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (130, "\nminicnn: interrupted\n")


def test_ctrl_c_while_the_options_are_read(run, monkeypatch):
    def stop(parser, *arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr("minicnn.cli.options.parser.Parser.parse_known_args", stop)
    assert run("info") == (130, "", "\nminicnn: interrupted\n")


@pytest.mark.parametrize(("name", "value"), [
    ("NUMBA_NUM_THREADS", "0"), ("NUMBA_NUM_THREADS", "-1"), ("NUMBA_NUM_THREADS", "abc"), ("OMP_NUM_THREADS", "x")])
def test_a_wrong_number_of_threads_in_the_environment(name, value):
    done = shell(f"{name}={value} minicnn info --algo direct")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"minicnn: error: the environment variable {name} must be an integer of at least 1, not " \
                          f"'{value}'\n"


def test_json_is_alone_on_stdout_of_a_process(folder):
    (folder / "loud.py").write_text("import atexit, os, sys\nprint('hello')\nos.system('echo world')\n"
                                    "atexit.register(print, 'at the end')\ndef same(f):\n    print('again')\n"
                                    "    print('past sys.stdout', file=sys.__stdout__)\n    return f\n")
    done = subprocess.run([*MINICNN, "verify", "loud.py:same", "--json", "--size", "5,5"], capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and json.loads(done.stdout)["convolution"] is True and done.stdout.count("\n") == 1
    assert all(words in done.stderr for words in ("hello", "world", "again", "at the end", "past sys.stdout"))


def test_a_thread_of_the_users_code_does_not_make_the_process_deaf(folder):
    (folder / "busy.py").write_text("import threading\nthreading.Thread(target=threading.Event().wait, name='forever')"
                                    ".start()\ndef same(f):\n    return f\n")
    process = subprocess.Popen([*MINICNN, "verify", "busy.py:same", "--size", "5,5"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout.readline().startswith("a convolution")
    assert process.stderr.readline() == "minicnn: your code left a thread running (forever); Ctrl-C ends it\n"
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("where", ["import", "call"])
def test_an_exception_that_is_no_exception_of_python(where, refused, folder):
    """As a framework of tests raises it. By itself, Python would end with status 1, as for a check that failed."""
    stop = "class Skipped(BaseException):\n    pass\n"
    (folder / "mine.py").write_text(stop + ("raise Skipped('enough')\n" if where == "import" else
                                            "def f(x):\n    raise Skipped('enough')\n"))
    message = {"import": "mine.py does not run: Skipped: enough (line 3)",
               "call": "your code ended the program by Skipped('enough') (in mine.py, line 4); it must return"}[where]
    for command in ("verify", "gradcheck"):
        assert message in refused(command, "mine.py:f")


@pytest.mark.parametrize(("line", "status"), [
    ("minicnn info --model mlp | true; exit ${PIPESTATUS[0]}", 0),
    ("minicnn data | true; exit ${PIPESTATUS[0]}", 1),
    ("minicnn info --model mlp >&-", 0), ("minicnn info --model mlp >&- 2>&-", 0), ("minicnn data >&-", 1),
    ("minicnn eval nowhere 2>&1 | true; exit ${PIPESTATUS[0]}", 2),
    ("minicnn --help | true; exit ${PIPESTATUS[0]}", 0)])
def test_a_stream_that_went_away_changes_nothing(line, status):
    done = shell(line)
    assert (done.returncode, done.stderr) == (status, "")


def test_training_goes_on_when_its_reader_goes_away():
    done = shell("minicnn train --dataset mnist5k --model mlp --epochs 3 --out run 2>&1 | head -1; "
                 "exit ${PIPESTATUS[0]}")
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    assert len(Path("run/history.jsonl").read_text().splitlines()) == 3 and Path("run/result.json").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told():
    done = shell("minicnn info --model mlp > /dev/full")
    assert done.returncode == 2 and done.stderr == "minicnn info: error: [Errno 28] No space left on device\n"


def test_every_command_says_what_it_ignores():
    """Each name in a rule of a command is an option of that command."""
    commands = make_parser()._subparsers._group_actions[0].choices
    assert set(commands) == {*NAMES, "bench"}
    for command in commands.values():
        known = {action.dest for action in command._actions}
        assert {name for rule in command.rules for name in rule.names} <= known


def test_import_is_light():
    code = "import sys, minicnn, minicnn.cli.main as m; m.make_parser(); " \
           "print([m for m in ('numba', 'matplotlib', 'scipy', 'rich', 'psutil') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_ten_signals_at_once_end_a_command_once(name, status):
    code = "import os, signal, sys\nfrom minicnn.cli import main\nfrom minicnn.cli.commands import info\n" \
           "def run(arguments):\n" \
           f"    exec('for _ in range(10): os.kill(os.getpid(), signal.{name})', globals())\n" \
           "    print('not stopped', file=sys.stderr)\n" \
           "info.run, sys.argv = run, ['minicnn', 'info']\nsys.exit(main.main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode, done.stderr) == (status, "\nminicnn info: interrupted\n")


def test_an_interrupt_that_python_loses_still_counts():
    """Python prints and forgets an exception in a finaliser."""
    code = "import os, signal, sys\nfrom minicnn.cli import main\nfrom minicnn.cli.commands import info\n" \
           "class Lost:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGINT)\n        [0] * 1000\n" \
           "info.run, sys.argv = (lambda arguments: Lost() and None), ['minicnn', 'info']\nsys.exit(main.main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 130 and "Exception ignored" in done.stderr


@pytest.mark.parametrize("name", ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"])
@pytest.mark.parametrize("command", [["train", "--dataset", "mnist5k"], ["invariance"], ["bench", "train"],
                                     ["eval", "nowhere"], ["verify"], ["explore"]])
def test_many_processes_do_not_do_the_same_work(name, command, refused, folder, monkeypatch):
    monkeypatch.setenv(name, "3")
    monkeypatch.setitem(sys.modules, "mpi4py", None)            # it is not installed
    prog = " ".join(["minicnn", *command[:2 if command[0] == "bench" else 1]])
    assert f"3 processes of {prog} were started (the environment variable {name} is 3)" in refused(*command)
    assert list(folder.iterdir()) == []
    monkeypatch.setenv(name, "1")
    assert refused("train", "--resume", "nowhere").endswith("name the directory of a run")
