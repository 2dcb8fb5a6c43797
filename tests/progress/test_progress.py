"""progress.py: the bar on a terminal, the lines in a file, and the time left."""

import io
import os
import re

import pytest

from minicnn import InputTypeError, progress
from minicnn.progress import NOTES, SILENT, Lines, Part, duration, on_stderr, shown
from tests.recorder import Recorder


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_come_after_a_second_and_then_rarely(clock, capsys):
    lines = Lines("train")
    lines.update(0, 100, "epoch 1")
    assert capsys.readouterr().err == ""
    clock.now += 2
    lines.update(1, 100, "epoch 1")
    assert capsys.readouterr().err == "train: 1%  epoch 1\n"
    for _ in range(19):
        clock.now += 1
        lines.update(2, 100)
    assert capsys.readouterr().err == ""
    clock.now += 1
    lines.update(51, 100)                               # 50 units in 20 seconds
    assert capsys.readouterr() == ("", "train: 51%, about 20 s left\n")


def test_the_first_line_needs_no_update(monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST", 0.01)
    with Lines("bench") as lines:
        lines.timer.join(10)
        assert capsys.readouterr().err == "bench: 0%\n"
        lines.update(1, 2)
    with Lines("quick"):
        pass
    assert capsys.readouterr().err == "" and not lines.timer.is_alive()


def test_a_time_left_is_shown_when_enough_is_measured_and_the_first_unit_does_not_count(clock):
    left = progress._TimeLeft()
    assert left.seconds(0) is None
    clock.now += 50                                     # the first step compiles
    assert left.seconds(0.01) is None
    clock.now += 1.5
    assert left.seconds(0.11) is None                   # not yet two seconds
    clock.now += 1.5
    assert left.seconds(0.21) == pytest.approx(0.79 / 0.2 * 3)
    slow = progress._TimeLeft()
    assert slow.seconds(0) is slow.seconds(0.001) is None
    clock.now += 60
    assert slow.seconds(0.01) is None                   # less than two percent
    clock.now += 60
    assert slow.seconds(0.022) == pytest.approx(0.978 / 0.021 * 120)


def test_a_unit_that_compiles_later_does_not_count_but_slow_work_does(clock):
    left = progress._TimeLeft()
    for unit in range(21):
        found = left.seconds(unit / 100)
        clock.now += 0.5
    assert found == pytest.approx(40)
    clock.now += 20
    assert left.seconds(0.21) == pytest.approx(39.5)
    clock.now += 20
    assert left.seconds(0.22) == pytest.approx((19 * 0.5 + 20) / 0.20 * 0.78)


def test_what_was_done_before_does_not_count_as_fast(clock, capsys):
    lines = Lines("train")
    lines.update(50, 100)
    lines.update(51, 100)
    clock.now += 10
    lines.update(76, 100)
    assert capsys.readouterr().err == "train: 76%, about 10 s left\n"


def test_no_estimate_without_progress_and_no_division_by_zero(clock, capsys):
    lines = Lines("verify")
    clock.now += 10
    lines.update(0, 0)
    assert capsys.readouterr().err == "verify: 0%\n"


def test_notes_are_printed_to_stderr(capsys):
    for one in (NOTES, Lines("train")):
        one.note("epoch 1: [red]done[/red]")
        assert capsys.readouterr() == ("", "epoch 1: [red]done[/red]\n")
    NOTES.update(1, 2, "nothing")
    SILENT.note("nothing")
    SILENT.update(1, 2, "nothing")
    assert capsys.readouterr() == ("", "")


def test_parts_of_parts():
    whole = Recorder()
    half = Part(whole, 0.5, 1.0, "second: ")
    quarter = Part(half, 0.0, 0.5)
    half.update(1, 2, "a")
    quarter.update(1, 2, "b")
    quarter.update(0, 0)
    quarter.note("a line")
    assert whole.updates == [(0.75, 1.0, "second: a"), (0.625, 1.0, "second: b"), (0.5, 1.0, "second: ")]
    assert whole.notes == ["a line"]


@pytest.mark.parametrize(("columns", "text"), [
    (100, "epoch 1/4  loss 0.1234  accuracy 97.00%  3,000 images/s"), (80, "epoch 1/4  loss 0.1234  accuracy 97.00%"),
    (60, "epoch 1/4  loss 0.1234"), (40, "epoch 1/4")])
def test_a_terminal_gets_a_bar_and_the_notes_above_it(monkeypatch, columns, text):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    with on_stderr("train") as bar:
        bar.update(25, 100, "epoch 1/4  loss 0.1234  accuracy 97.00%  3,000 images/s")
        bar.note("epoch 1/4 [bold]done[/bold]")
        bar.bar.refresh()
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue()).replace("\r", "\n").splitlines()
    assert "epoch 1/4 [bold]done[/bold]" in [line.rstrip() for line in lines]
    shown = [line for line in lines if "25%" in line][-1]        # the text goes before the time and the percentage
    assert shown.startswith("train ") and "--:--" in shown and text in shown and len(shown) <= columns


@pytest.mark.parametrize(("terminal", "term", "kind"), [
    (io.StringIO, "xterm", Lines), (Terminal, "dumb", Lines), (Terminal, "", Lines)])
def test_everything_else_gets_lines(monkeypatch, terminal, term, kind):
    monkeypatch.setattr("sys.stderr", terminal())
    monkeypatch.setenv("TERM", term)
    with on_stderr("train") as found:
        assert type(found) is kind
    with on_stderr("train", quiet=True) as found:
        assert found is SILENT


@pytest.mark.parametrize(("columns", "kind"), [(1, Lines), (19, Lines), (20, progress.Bar), (0, progress.Bar)])
def test_a_terminal_without_room_gets_lines(monkeypatch, columns, kind):
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr(Terminal, "fileno", lambda terminal: 2, raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda descriptor=2: os.terminal_size((columns, 24)))
    monkeypatch.setenv("TERM", "xterm")
    with on_stderr("train") as found:
        assert type(found) is kind


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "0 s"), (7.4, "7 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3600, "60 min 00 s")])
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_a_bar_shows_the_time_left(clock, monkeypatch):
    monkeypatch.setattr("sys.stderr", Terminal())
    with progress.Bar("train") as bar:
        for done, shown in (0, "--:--"), (1, "--:--"), (26, "00:30"):
            bar.update(done, 101)
            assert bar.bar.tasks[0].fields["left"] == shown
            clock.now += 10


class Shell:
    """A kernel's shell, as far as a cell's bar uses it. `outputs` has the newest data of each output."""

    kernel = True

    def __init__(self):
        self.display_pub, self.outputs, self.count = self, {}, 0

    def publish(self, data, transient, update):
        assert update == (transient["display_id"] in self.outputs)
        self.outputs[transient["display_id"]], self.count = data, self.count + 1

    def newest(self):
        data, = self.outputs.values()
        return data


@pytest.fixture
def kernel(monkeypatch):
    found = Shell()
    monkeypatch.setattr("minicnn.notebook.shell", lambda: found)
    monkeypatch.setattr("minicnn.progress.cell.shell", lambda: found)
    return found


def test_a_cell_has_one_output_that_is_updated_in_place(kernel, clock, capsys):
    with on_stderr("fit <1>") as bar:
        assert kernel.newest()["text/plain"] == "fit <1>: 0%" and "<progress" in kernel.newest()["text/html"]
        for step in range(1001):
            clock.now += 0.01
            bar.update(step, 1000, "epoch <1>")
        assert kernel.count < 10.01 / 0.2 + 2
        assert "about" in kernel.newest()["text/plain"] and "epoch &lt;1&gt;" in kernel.newest()["text/html"]
        bar.note("epoch 1: [red]a < b[/red]")
    assert kernel.newest()["text/plain"] == "fit <1>: done in 10 s\nepoch 1: [red]a < b[/red]"
    assert "<progress" not in kernel.newest()["text/html"] and "a &lt; b[/red]</pre>" in kernel.newest()["text/html"]
    assert capsys.readouterr() == ("", "")


def test_a_cell_says_where_the_work_stopped_and_shows_the_last_notes(kernel, clock):
    with pytest.raises(ZeroDivisionError), on_stderr("fit") as bar:
        for number in range(100):
            bar.note(f"note {number}")
        bar.update(1, 4)
        clock.now += 7
        raise ZeroDivisionError
    lines = kernel.newest()["text/plain"].split("\n")
    assert lines[:3] == ["fit: stopped at 25%, after 7 s", "...", "note 70"] and lines[-1] == "note 99"


def test_true_shows_and_false_does_not(kernel, capsys):
    with shown(False, "fit") as bar:
        bar.note("nothing")
    assert not kernel.outputs and capsys.readouterr() == ("", "")
    with shown(True, "fit") as bar:
        bar.note("something")
    assert "something" in kernel.newest()["text/plain"]
    recorder = Recorder()
    with shown(recorder, "fit") as bar:
        assert bar is recorder
    for wrong in (1, None, "bar"):
        with pytest.raises(InputTypeError, match="fit: progress must be True, False or a minicnn.progress.Progress, "
                                                 f"not {wrong!r}"), shown(wrong, "fit"):
            pass
