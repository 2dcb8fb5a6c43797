"""Temporary files: several writers at once, writers that were killed; and which files are opened for reading."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import minicnn
from minicnn.errors import FileError
from minicnn.files import new_directory, open_to_read, replacing, temporary, write_atomically

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(minicnn.__file__).parents[1])}
WRITER = """
import sys
from minicnn.files import write_atomically
for i in range(50):
    write_atomically(sys.argv[1], sys.argv[2].encode() * 5000)
"""
KILLED = """
import os, signal
from minicnn.files import new_directory, replacing
with replacing("a.png") as file, new_directory("frames") as folder:
    file.write_bytes(b"half")
    (folder / "0.png").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_several_writers_to_one_path_at_once(tmp_path):
    path = tmp_path / "a.txt"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, letter], env=ENVIRONMENT) for letter in "abc"]
    found = set()
    while any(writer.poll() is None for writer in writers):
        found |= {path.read_bytes()} if path.exists() else set()
    assert [writer.returncode for writer in writers] == [0, 0, 0] and os.listdir(tmp_path) == ["a.txt"]
    assert {path.read_bytes()} <= found | {path.read_bytes()} <= {letter * 5000 for letter in (b"a", b"b", b"c")}


def test_what_a_killed_process_leaves_is_swept_by_the_next_writer(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, env=ENVIRONMENT)
    assert killed.returncode == -signal.SIGKILL and len(os.listdir(tmp_path)) == 2
    write_atomically(tmp_path / "b.txt", b"new")
    assert os.listdir(tmp_path) == ["b.txt"]


def test_the_files_of_a_writer_at_work_are_not_swept(tmp_path):
    with replacing(tmp_path / "a.txt") as file, new_directory(tmp_path / "frames") as folder:
        write_atomically(tmp_path / "b.txt", b"new")
        file.write_bytes(b"whole")
        (folder / "0.txt").write_bytes(b"whole")
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt", "frames"]


def test_only_our_own_leftovers_are_swept(tmp_path):
    kept = [".minicnn-0123456789abcdef~", ".minicnn-0123", "minicnn-0123456789abcdef", ".minicnn-0123456789ABCDEF"]
    for name in kept:
        (tmp_path / name).touch()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / ".minicnn-0123456789abcdef").symlink_to("precious")
    (tmp_path / ".minicnn-0123456789abcdee").mkdir()
    (tmp_path / ".minicnn-0123456789abcdee" / "link").symlink_to("../precious")
    write_atomically(tmp_path / "a", b"new")
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "precious", ".minicnn-0123456789abcdef", "a"])
    assert os.listdir(tmp_path / "precious") == ["file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
def test_another_users_file_is_not_swept(tmp_path):
    theirs = tmp_path / ".minicnn-0123456789abcdef"
    theirs.touch()
    os.chown(theirs, 65534, -1)
    write_atomically(tmp_path / "a", b"new")
    assert theirs.exists()


def test_a_file_that_is_swept_before_its_lock_is_made_again(tmp_path, monkeypatch):
    lock, waiting = temporary._lock, [3]

    def late(descriptor):                                   # another process sweeps in between, three times
        if waiting[0]:
            waiting[0] -= 1
            for name in os.listdir(tmp_path):
                os.unlink(tmp_path / name)
        return lock(descriptor)
    monkeypatch.setattr(temporary, "_lock", late)
    write_atomically(tmp_path / "a", b"new")
    assert waiting == [0] and os.listdir(tmp_path) == ["a"]


def test_a_file_that_another_process_is_sweeping_is_made_again(tmp_path, monkeypatch):
    answers = [False, False, True]
    monkeypatch.setattr(temporary, "_lock", lambda descriptor: answers.pop(0))
    write_atomically(tmp_path / "a", b"new")
    assert answers == [] and (tmp_path / "a").read_bytes() == b"new"


def test_without_locks_files_are_written_and_nothing_is_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(temporary, "fcntl", None)
    (tmp_path / ".minicnn-0123456789abcdef").touch()
    write_atomically(tmp_path / "a", b"new")
    assert sorted(os.listdir(tmp_path)) == [".minicnn-0123456789abcdef", "a"]


# Files that are read.

def test_only_a_regular_file_is_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("a", "link"):
        with open_to_read(tmp_path / name) as file:
            assert file.read() == b"abc"
    for name, message in (("pipe", "it is not a regular file"), ("zero", "it is not a regular file"),
                          ("none", "No such"), ("a/b", "Not a directory"), (".", "it is a directory"),
                          ("a\0b", "null byte")):
        with pytest.raises(FileError, match=f"cannot be read: .*{message}.*Check the path and its permissions"):
            open_to_read(f"{tmp_path}/{name}")
