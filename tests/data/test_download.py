"""Downloads, against a server on this machine that misbehaves on demand."""

import contextlib
import hashlib
import http.server
import threading
import time

import pytest

from minicnn.data import UnavailableError, download
from minicnn.data.download import fetch

BODY = bytes(range(256)) * 1000
EXPECTED = {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves BODY, in the way that the first part of the path asks for."""

    def do_GET(self):
        way = self.path.split("/")[1]
        self.server.asked.append(way)
        if way == "silent":
            self.server.released.wait()
            return
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
        body = BODY[::-1] if way == "wrong" else BODY
        self.wfile.write(body[:1000] if way in ("truncated", "stalling") else body)
        if way == "stalling":
            self.wfile.flush()
            self.server.released.wait()

    def write_for_ever(self):
        with contextlib.suppress(ConnectionError):
            while True:
                self.wfile.write(BODY)

    def log_message(self, *args):
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
def mirrors(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    return lambda *ways: [f"http://127.0.0.1:{server.server_port}/{way}/" for way in ways]


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_success(mirrors, tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    (mirror,) = mirrors("good")
    assert fetch("file", [mirror], path, **EXPECTED) == mirror
    assert path.read_bytes() == BODY
    assert left_in(path.parent) == ["file"]


@pytest.mark.parametrize("way", ["absent", "wrong", "truncated", "endless"])
def test_the_second_mirror_stands_in(mirrors, tmp_path, way):
    bad, good = mirrors(way, "good")
    assert fetch("file", [bad, good], tmp_path / "file", **EXPECTED) == good
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("absent", "HTTP Error 404"),
        ("wrong", f"SHA-256 [0-9a-f]{{64}}, expected {EXPECTED['sha256']}"),
        ("truncated", "1000 .*256000"),
        ("endless", "more bytes arrived, expected 256000"),
    ],
)
def test_failure_leaves_everything_as_it_was(mirrors, tmp_path, way, message):
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(UnavailableError, match=f"file could not be downloaded.*{message}.*Check the network"):
        fetch("file", mirrors(way), tmp_path / "file", **EXPECTED)
    assert (tmp_path / "file").read_bytes() == b"precious"
    assert left_in(tmp_path) == ["file"]


def test_nobody_listens(mirrors, server, tmp_path):
    unused = mirrors("good")[0].replace(str(server.server_port), "1")
    with pytest.raises(UnavailableError, match="refused"):
        fetch("file", [unused], tmp_path / "file", **EXPECTED)
    assert left_in(tmp_path) == []


def test_a_server_that_never_answers(mirrors, tmp_path):
    start = time.perf_counter()
    with pytest.raises(UnavailableError, match="no answer within 0.2 s"):
        fetch("file", mirrors("silent"), tmp_path / "file", **EXPECTED, connect_timeout=0.2)
    assert time.perf_counter() - start < 5


def test_a_server_that_stops_half_way(mirrors, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    with pytest.raises(UnavailableError, match="timed out after 1000 of 256000 bytes"):
        fetch("file", mirrors("stalling"), tmp_path / "file", **EXPECTED)
    assert left_in(tmp_path) == []


def test_interrupted_by_the_user(mirrors, tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(download.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch("file", mirrors("good"), tmp_path / "file", **EXPECTED)
    assert left_in(tmp_path) == []


def test_a_full_disk_is_not_the_mirrors_fault(mirrors, server, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download.os, "fsync", full)
    with pytest.raises(UnavailableError, match="file: cannot be written: No space left on device. Free the disk"):
        fetch("file", mirrors("good", "good"), tmp_path / "file", **EXPECTED)
    assert left_in(tmp_path) == []
    assert server.asked == ["good"]


def test_a_folder_that_cannot_be_made(mirrors, tmp_path):
    (tmp_path / "taken").write_bytes(b"a file")
    with pytest.raises(UnavailableError, match="cannot be written: .*MINICNN_HOME"):
        fetch("file", mirrors("good"), tmp_path / "taken" / "file", **EXPECTED)


def test_progress_is_one_line_without_a_terminal(mirrors, tmp_path, capsys):
    lines = []
    (mirror,) = mirrors("good")
    fetch("file", [mirror], tmp_path / "file", **EXPECTED, notice=lines.append)
    assert lines == [f"downloading {mirror}file (0.3 MB)"]
    assert capsys.readouterr() == ("", "")


def test_progress_is_a_bar_on_a_terminal(mirrors, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(download.sys.stderr, "isatty", lambda: True)
    fetch("file", mirrors("good"), tmp_path / "file", **EXPECTED, notice=print)
    assert capsys.readouterr().out == ""
    assert (tmp_path / "file").read_bytes() == BODY
