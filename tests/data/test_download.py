"""Downloads from a local server that misbehaves on demand."""

import contextlib
import hashlib
import http.server
import logging
import os
import threading

import pytest

from minicnn.data import UnavailableError, download
from minicnn.data.download import fetch
from minicnn.progress import Progress
from tests.recorder import Recorder

BODY = bytes(range(256)) * 1000
EXPECTED = {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves BODY. The first part of the path chooses the fault."""

    def do_HEAD(self):
        way = self.path.split("/")[1]
        if way == "silent":
            self.server.released.wait()
        self.send_response(404 if way == "absent" else 200)
        self.end_headers()

    def do_GET(self):
        way = self.path.split("/")[1]
        self.server.asked.append(way)
        if way == "absent":
            self.send_error(404)
            return
        self.send_response(200)
        if way != "endless":
            self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        if way == "endless":
            self.write_for_ever()
            return
        shaky = way == "shaky" and self.server.asked.count("shaky") == 1
        body = BODY[::-1] if way == "wrong" else BODY
        self.wfile.write(body[:1000] if way in ("truncated", "stalling") or shaky else body)
        if way == "stalling":
            self.wfile.flush()
            self.server.released.wait()

    def write_for_ever(self):
        with contextlib.suppress(ConnectionError):
            while True:
                self.wfile.write(BODY)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.released = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mirrors(server, monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "AGAIN", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    yield lambda *ways: [f"http://127.0.0.1:{server.server_port}/{way}/" for way in ways]
    assert os.listdir(tmp_path / "temporary") == []


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "folder" / "file.gz"


def test_success(mirrors, path):
    (mirror,) = mirrors("good")
    assert fetch([mirror], path, **EXPECTED) == mirror
    assert path.read_bytes() == BODY and os.listdir(path.parent) == ["file.gz"]
    (path.parent / "plain").touch()
    assert path.stat().st_mode == (path.parent / "plain").stat().st_mode       # others who use the cache may read it


@pytest.mark.parametrize("way", ["absent", "wrong", "truncated", "endless"])
def test_the_second_mirror_stands_in(mirrors, server, path, way):
    bad, good = mirrors(way, "good")
    assert fetch([bad, good], path, **EXPECTED) == good
    assert path.read_bytes() == BODY and server.asked == [way, "good"]


def test_a_mirror_is_asked_again(mirrors, server, path, monkeypatch):
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    (shaky,) = mirrors("shaky")
    with pytest.raises(UnavailableError, match="1000 bytes read, 255000 more expected"):
        fetch([shaky], path, **EXPECTED)
    server.asked.clear()
    monkeypatch.setattr(download, "AGAIN", 1)
    assert fetch([shaky], path, **EXPECTED) == shaky and server.asked == ["shaky", "shaky"]
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(("way", "message"), [
    ("absent", "HTTP status 404 Not Found"),
    ("wrong", f"SHA256 hash .* does not match the known hash: expected {EXPECTED['sha256']} but got [0-9a-f]{{64}}"),
    ("truncated", "1000 bytes read, 255000 more expected"),
    ("endless", "more bytes arrived than the 256000 that were expected")])
def test_failure_leaves_everything_as_it_was(mirrors, path, way, message):
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    with pytest.raises(UnavailableError, match=f"file.gz could not be downloaded.*{message}.*Check the network, or put "
                       f"the file into {path.parent} yourself"):
        fetch(mirrors(way), path, **EXPECTED)
    assert path.read_bytes() == b"precious" and os.listdir(path.parent) == ["file.gz"]


def test_nobody_listens(mirrors, server, path):
    unused = mirrors("good")[0].replace(str(server.server_port), "1")
    with pytest.raises(UnavailableError, match=r"1/good/file.gz: Connection refused\)"):
        fetch([unused], path, **EXPECTED)
    assert not path.parent.exists()


def test_a_host_that_has_no_address(mirrors, path):
    with pytest.raises(UnavailableError, match=r"\(http://minicnn.invalid/file.gz: [^;:]*\)"):
        fetch(["http://minicnn.invalid/"], path, **EXPECTED)
    assert not path.parent.exists()


def test_a_server_that_never_answers(mirrors, server, path):
    with pytest.raises(UnavailableError, match="no answer within 0.2 s"):
        fetch(mirrors("silent"), path, **EXPECTED, patience=0.2)
    assert server.asked == [] and not path.parent.exists()


def test_a_server_that_stops_half_way(mirrors, path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.5)
    with pytest.raises(UnavailableError, match="/stalling/file.gz: timed out"):
        fetch(mirrors("stalling"), path, **EXPECTED)
    assert not path.parent.exists()


def test_ctrl_c_in_the_middle(mirrors, path):
    class Interrupting(Progress):
        def update(self, done, total, text=""):
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        fetch(mirrors("good"), path, **EXPECTED, progress=Interrupting())
    assert not path.parent.exists()


def test_a_full_disk_is_not_the_mirrors_fault(mirrors, server, path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("minicnn.files.os.fsync", full)
    with pytest.raises(UnavailableError, match="file.gz could not be written: the disk is full; .* set MINICNN_HOME"):
        fetch(mirrors("good", "good"), path, **EXPECTED)
    assert os.listdir(path.parent) == [] and server.asked == ["good"]


def test_a_folder_that_cannot_be_made(mirrors, tmp_path):
    (tmp_path / "taken").write_bytes(b"a file")
    with pytest.raises(UnavailableError, match="taken/file.gz: cannot be written: .*MINICNN_HOME"):
        fetch(mirrors("good"), tmp_path / "taken" / "file.gz", **EXPECTED)


def test_progress_goes_through_the_protocol_and_nothing_else_is_printed(mirrors, path, capsys, caplog):
    (mirror,), told = mirrors("good"), Recorder()
    level = logging.getLogger("pooch").level
    fetch([mirror], path, **EXPECTED, progress=told)
    assert told.notes == [f"downloading {mirror}file.gz (0.3 MB)"]
    assert {total for _, total, _ in told.updates} == {len(BODY)} and {text for *_, text in told.updates} == {"file.gz"}
    done = [done for done, *_ in told.updates]
    assert len(done) > 3 and done == sorted(done) and done[-1] == len(BODY)
    assert capsys.readouterr() == ("", "") and logging.getLogger("pooch").level == level
