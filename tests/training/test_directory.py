"""The directory of a run: made, locked, swept, and removed if nothing was written into it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from minicnn.errors import FileError
from minicnn.training import check_empty, check_writable, claimed, claimed_new

ROOT = Path(__file__).parents[2]
HOLD = "import sys; from minicnn.training import claimed\n" \
       "with claimed(sys.argv[1]): print('mine', flush=True); sys.stdin.read()"
IN_USE = "another training writes into this directory now: wait for its end, or give another directory"


@pytest.fixture
def holder(tmp_path):
    """A process that has claimed `run`."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout.readline() == b"mine\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_until_the_first_is_killed(holder, tmp_path):
    with pytest.raises(FileError, match=f"run: {IN_USE}"), claimed(tmp_path / "run"):
        pass
    with claimed_new(tmp_path / "run", numbered=True) as other:
        assert other == tmp_path / "run-2"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with claimed(tmp_path / "run") as run:
        assert run.is_dir()


def test_a_second_thread_is_refused_and_the_same_thread_is_not(tmp_path):
    seen = []

    def claim():
        try:
            with claimed(tmp_path / "run"):
                seen.append("claimed")
        except FileError as error:
            seen.append(str(error))
    with claimed(tmp_path / "run"), claimed(tmp_path / "run" / ".." / "run"):
        thread = threading.Thread(target=claim)
        thread.start()
        thread.join()
        assert IN_USE in seen[0]
        with claimed(tmp_path / "run"):
            pass
    claim()
    assert seen[1] == "claimed"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_is_refused(tmp_path):
    with claimed(tmp_path / "run"):
        child = os.fork()
        if child == 0:
            try:
                with claimed(tmp_path / "run"):
                    os._exit(1)
            except FileError:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_empty_directory_that_was_made_is_removed_after_an_error(tmp_path):
    (tmp_path / "mine").mkdir()
    for path, left in (tmp_path / "a" / "b", ["mine"]), (tmp_path / "mine", ["mine"]):
        with pytest.raises(ArithmeticError), claimed(path):
            raise ArithmeticError
        assert [one.name for one in tmp_path.iterdir()] == left
    with pytest.raises(ArithmeticError), claimed(tmp_path / "a") as run:
        (run / "history.jsonl").write_text("kept")
        raise ArithmeticError
    assert (tmp_path / "a" / "history.jsonl").is_file()


def test_what_a_killed_process_left_is_swept_and_does_not_count_as_a_file(tmp_path):
    left = tmp_path / ".minicnn-0123456789abcdef.safetensors"
    left.write_bytes(b"half")
    (tmp_path / ".minicnn-notes").write_text("mine")
    with claimed(tmp_path):
        assert not left.exists() and (tmp_path / ".minicnn-notes").exists()
    (tmp_path / ".minicnn-notes").unlink()
    left.write_bytes(b"half")
    check_empty(tmp_path)
    with claimed_new(tmp_path) as run:
        assert list(run.iterdir()) == []


def test_places_where_no_directory_can_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "run" / "best.safetensors").mkdir(parents=True)
    for path, message in ((tmp_path / "file", "file is not a directory; give another directory"),
                          (tmp_path / "file" / "run", "run cannot be made: .*file is not a directory"),
                          (Path("/proc/run"), "/proc/run cannot be made: /proc is not a writable directory"),
                          (tmp_path / "run", "best.safetensors could not be written: it is a directory")):
        with pytest.raises(FileError, match=message), claimed(path):
            pass
    with pytest.raises(FileError, match="run cannot be made"):
        check_writable(tmp_path / "file" / "run")
    with pytest.raises(FileError, match="/dev/null is a device or a pipe; give the name of a new directory"):
        check_empty(Path("/dev/null"))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["best.safetensors", "file", "run"]


def test_a_link_to_a_directory_that_is_not_there(tmp_path):
    (tmp_path / "link").symlink_to("far/away")
    with claimed(tmp_path / "link") as run:
        (run / "last.safetensors").write_text("mine")
    assert (tmp_path / "far" / "away" / "last.safetensors").read_text() == "mine"


def test_numbered_names(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run-3").write_text("")
    with claimed_new(tmp_path / "run", numbered=True) as first, \
            claimed_new(tmp_path / "run", numbered=True) as second:
        assert (first.name, second.name) == ("run-2", "run-4")
        (first / "last.safetensors").write_text("mine")
    with pytest.raises(FileError, match="run-2 exists and is not empty: choose another"), \
            claimed_new(tmp_path / "run-2"):
        pass
    with pytest.raises(FileError, match="run-3 is a file; give the name of a new directory"):
        check_empty(tmp_path / "run-3")
