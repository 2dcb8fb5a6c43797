"""A Progress that keeps all its updates and notes."""

from minicnn.progress import Progress


class Recorder(Progress):
    """`updates` has (done, total, text) of each update, `notes` each note."""

    def __init__(self):
        self.updates, self.notes = [], []

    def update(self, done, total, text=""):
        self.updates.append((done, total, text))

    def note(self, line):
        self.notes.append(line)
