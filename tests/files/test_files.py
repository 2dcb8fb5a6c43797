"""files/: a file is written whole or not at all, and only at the given path."""

import errno
import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from minicnn.errors import FileError, InputError, MinicnnError
from minicnn.files import cache_dir, check_destination, check_new_directory, new_directory, replacing, write_atomically


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.bin"


@pytest.fixture
def folder():
    """A directory for tests as an ordinary user, because root may write everywhere."""
    folder, root = Path(tempfile.mkdtemp()), os.geteuid() == 0
    if root:
        os.chown(folder, 65534, -1)
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o700)
    shutil.rmtree(folder)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


# Files that are written.

def test_a_new_file_has_the_usual_mode_and_nothing_else_is_left(path):
    write_atomically(path, b"abc")
    assert path.read_bytes() == b"abc" and os.listdir(path.parent) == ["a.bin"]
    (path.parent / "plain").touch()
    assert mode(path) == mode(path.parent / "plain")


@pytest.mark.parametrize("number", [0o600, 0o640, 0o666, 0o755, 0o200])
def test_a_replaced_file_keeps_its_mode(path, number):
    path.write_bytes(b"old")
    path.chmod(number)
    with replacing(path) as temporary:
        assert mode(temporary) == number                # others can never read a private file
        temporary.write_bytes(b"new")
    assert mode(path) == number and path.read_bytes() == b"new"


def test_the_old_file_stands_until_the_new_one_is_whole(path):
    path.write_bytes(b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old" and temporary.suffix == ".bin" and temporary.parent == path.parent
    assert path.read_bytes() == b"new"


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    real, link = tmp_path / "folder" / "real", tmp_path / "link"
    real.parent.mkdir()
    for old in (None, b"old"):
        if old:
            real.write_bytes(old)
        link.unlink(missing_ok=True)
        link.symlink_to("folder/real")
        write_atomically(link, b"new")
        assert link.is_symlink() and real.read_bytes() == b"new"
    assert os.listdir(real.parent) == ["real"]


def test_the_temporary_name_is_another_each_time_and_no_link_is_followed(path, monkeypatch):
    names = set()
    for _ in range(3):
        with replacing(path) as temporary:
            names.add(temporary.name)
    assert len(names) == 3
    monkeypatch.setattr("minicnn.files.secrets.token_hex", lambda size: "known")
    victim = path.parent / "victim"
    victim.write_bytes(b"precious")
    (path.parent / ".minicnn-known.bin").symlink_to(victim)
    with pytest.raises(FileError, match="a.bin could not be written: File exists"):
        write_atomically(path, b"new")
    assert victim.read_bytes() == b"precious"


def test_a_long_ending_and_a_long_name_fit(tmp_path):
    for name in ("a." + "b" * 250, "a" * 255):
        write_atomically(tmp_path / name, b"new")
        assert (tmp_path / name).read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another user")
def test_root_keeps_the_owner_of_a_file(path):
    path.write_bytes(b"old")
    os.chown(path, 65534, 65533)
    path.chmod(0o600)
    write_atomically(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid, mode(path)) == (65534, 65533, 0o600)


# Paths that are refused, before the work and after it.

@pytest.mark.parametrize(("name", "message"), [
    ("no/a.bin", "no/a.bin could not be written: its directory does not exist; create it first"),
    ("file/a.bin", "file/a.bin could not be written: a part of the path is a file, not a directory"),
    (".", "could not be written: it is a directory; give the name of a file in it"),
    ("circle", "circle could not be written: its links lead in a circle; give the name of a file"),
    ("a" * 256, "could not be written: the name is too long; choose a shorter one"),
    ("a\0b", "could not be written: .*null byte"),
    ("pipe", "pipe is not a regular file but a device, a pipe or a socket; give the name of a file"),
    ("link", "link is not a regular file but a device, a pipe or a socket")])
def test_what_is_no_file(tmp_path, name, message):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    (tmp_path / "circle").symlink_to("circle")
    for write in (check_destination, lambda path: write_atomically(path, b"abc")):
        with pytest.raises(FileError, match=message):
            write(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["circle", "file", "link", "pipe"] and (tmp_path / "pipe").is_fifo()


def test_a_directory_without_permission(folder):
    (folder / "a.bin").write_bytes(b"old")
    folder.chmod(0o555)
    for write in (check_destination, lambda path: write_atomically(path, b"abc")):
        for name in ("a.bin", "new.bin"):
            with pytest.raises(FileError, match=f"{name} could not be written: no permission; choose another place"):
                write(folder / name)
    for make in (check_new_directory, lambda path: new_directory(path).__enter__()):
        with pytest.raises(FileError, match="frames could not be written: no permission"):
            make(folder / "frames")
    assert os.listdir(folder) == ["a.bin"] and (folder / "a.bin").read_bytes() == b"old"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc")
def test_a_directory_that_takes_no_files_is_found_before_the_work():
    with pytest.raises(FileError, match="could not be written: no.*hoose another"):
        check_destination("/proc/a.png")
    with pytest.raises(FileError, match="could not be written: no.*hoose another"):
        check_new_directory("/proc/frames")


def test_a_read_only_file_is_not_replaced(folder):
    (folder / "a.bin").write_bytes(b"old")
    (folder / "a.bin").chmod(0o444)
    for write in (check_destination, lambda path: write_atomically(path, b"abc")):
        with pytest.raises(FileError, match="a.bin could not be written: no permission; choose another place"):
            write(folder / "a.bin")
    assert os.listdir(folder) == ["a.bin"] and (folder / "a.bin").read_bytes() == b"old"


def test_endings(tmp_path):
    assert check_destination(tmp_path / "a.PNG", (".png", ".pdf")) == tmp_path / "a.PNG"
    assert check_destination(str(tmp_path / "a")) == tmp_path / "a"
    for name in ("a.bmp", "a", "png"):
        with pytest.raises(InputError, match=f"{name}: the name must end in .png or .pdf"):
            check_destination(tmp_path / name, (".png", ".pdf"))
    assert os.listdir(tmp_path) == []


# Failures during the writing.

@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize(("number", "message"), [
    (errno.ENOSPC, "the disk is full; free some space"), (errno.EDQUOT, "the disk quota is used up"),
    (errno.EROFS, "the file system is read-only; choose another directory"), (errno.EIO, "Input/output error")])
def test_a_failure_leaves_the_old_file_and_nothing_else(path, monkeypatch, step, number, message):
    path.write_bytes(b"old")

    def fail(*arguments):
        raise OSError(number, os.strerror(number))
    if step != "write":
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(FileError, match=f"a.bin could not be written: {message}.*An existing file is unchanged") \
            as caught, replacing(path) as temporary:
        temporary.write_bytes(b"ne")
        if step == "write":
            fail()
    assert caught.value.__cause__.errno == number
    monkeypatch.undo()
    assert os.listdir(path.parent) == ["a.bin"] and path.read_bytes() == b"old"
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == ["a.bin"]


def test_a_limit_of_the_operating_system_on_the_files_size(path):
    resource = pytest.importorskip("resource")
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(FileError, match="a.bin could not be written: File too large"):
            write_atomically(path, bytes(40_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(path.parent) == ["a.bin"] and path.read_bytes() == b"old"


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_ctrl_c_in_the_middle_leaves_the_old_file_and_nothing_else(path, monkeypatch, step):
    path.write_bytes(b"old")

    def interrupt(*arguments):
        raise KeyboardInterrupt
    if step != "write":
        monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_bytes(b"ne")
        if step == "write":
            interrupt()
    assert os.listdir(path.parent) == ["a.bin"] and path.read_bytes() == b"old"


def test_errors_of_the_writer_are_its_own(path):
    with pytest.raises(InputError, match="no such colour"), replacing(path):
        raise InputError("no such colour")
    with pytest.raises(ZeroDivisionError), replacing(path):
        raise ZeroDivisionError
    with pytest.raises(FileError, match="^another file$"), replacing(path):
        raise FileError("another file")
    assert os.listdir(path.parent) == []


# Directories.

@pytest.mark.parametrize("there", [False, True])
def test_a_new_directory_is_there_when_it_is_whole(tmp_path, there):
    path = tmp_path / "frames"
    if there:
        path.mkdir()
    with new_directory(path) as temporary:
        (temporary / "0.png").write_bytes(b"0")
        assert path.exists() == there
    assert os.listdir(tmp_path) == ["frames"] and os.listdir(path) == ["0.png"]
    (tmp_path / "plain").mkdir()
    assert mode(path) == mode(tmp_path / "plain")


def test_a_directory_keeps_its_mode_and_a_link_to_it_stays(tmp_path):
    (tmp_path / "frames").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("frames")
    with new_directory(tmp_path / "link") as temporary:
        (temporary / "0.png").write_bytes(b"0")
    assert (tmp_path / "link").is_symlink() and mode(tmp_path / "frames") == 0o700
    assert os.listdir(tmp_path / "frames") == ["0.png"]
    (tmp_path / "late").symlink_to("made")
    with new_directory(tmp_path / "late"):
        pass
    assert (tmp_path / "made").is_dir() and (tmp_path / "late").is_symlink()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, OSError(errno.ENOSPC, "No space left")])
def test_a_failure_leaves_no_directory(tmp_path, error):
    expected = FileError if isinstance(error, OSError) else error
    with pytest.raises(expected, match="the disk is full" if expected is FileError else None), \
            new_directory(tmp_path / "frames") as temporary:
        (temporary / "0.png").write_bytes(b"0")
        raise error
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("name", "message"), [
    ("full", "full could not be written: it exists and is not empty; give the name of a new directory"),
    ("file", "file is a file; give the name of a new directory"),
    ("circle", "circle could not be written: its links lead in a circle"),
    ("no/frames", "no/frames could not be written: its directory does not exist")])
def test_directories_that_are_refused(tmp_path, name, message):
    (tmp_path / "full" / "inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    for make in (check_new_directory, lambda path: new_directory(path).__enter__()):
        with pytest.raises(FileError, match=message) as caught:
            make(tmp_path / name)
        assert isinstance(caught.value, MinicnnError) and isinstance(caught.value, OSError)
    assert sorted(os.listdir(tmp_path)) == ["circle", "file", "full"] and os.listdir(tmp_path / "full") == ["inner"]


def test_cache_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICNN_HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICNN_HOME", "relative")
    assert cache_dir() == tmp_path / "relative"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MINICNN_HOME", "~/mine")
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.setenv("MINICNN_HOME", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "minicnn"
    for relative in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert cache_dir() == tmp_path / ".cache" / "minicnn"
    assert os.listdir(tmp_path) == []
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(FileError, match="there is no home directory for the cache: set MINICNN_HOME to a directory"):
        cache_dir()
