"""The readers that are fuzzed: how an input is made, what the reader may do with it, and how much memory it takes."""

import contextlib
import gzip
import hashlib
import io
import json
import pickle
import struct
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import safetensors.numpy
from PIL import Image

from minicnn import checkpoint
from minicnn.checkpoint import CheckpointError, tensor_file
from minicnn.cli.user_code import load_object
from minicnn.conv import speeds
from minicnn.conv.runtime.kernel_cache import _SealedFiles
from minicnn.data import DataError, Dataset, Rules, load_arrays, read_idx, read_images, read_labels, read_picture
from minicnn.data.embedded import read_embedded
from minicnn.data.sources import cifar
from minicnn.data.unpack import BrokenStreamError, Content
from minicnn.errors import InputError
from minicnn.models import MLP
from minicnn.training import Settings, fit
from minicnn.training.resume import check_resume
from tests.fuzz.mutate import mutated_bytes, mutated_json, packed

CORPUS = Path(__file__).with_name("corpus")
FREE = 4 << 20                                          # bytes that every input may take: buffers, messages


class Target:
    """One reader. `make` gives an input, `read` hands it to the reader and checks what comes back.

    Attributes
    ----------
    allowed : tuple of exceptions
        An exception of another class is a failure.
    factor : int
        The reader may take FREE + factor * (the size of the input) bytes. The factor stands in the reader's docstring.
    share : int
        How many of 1000 inputs a run over all targets gives to this target.
    """

    allowed: tuple = ()
    factor = 60
    share = 100

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "input"
        name = self.corpus if hasattr(self, "corpus") else type(self).__name__.lower()
        self.seeds = [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]
        self.start()

    def start(self):
        pass

    def make(self, random):
        return mutated_bytes(random, random.choice(self.seeds), self.seeds)

    def write(self, content):
        self.path.write_bytes(content)
        return self.path


class Idx(Target):
    """An IDX file, raw or gzipped as a whole."""

    allowed, share = (DataError,), 250
    factor = 1032                                       # of a gzipped file

    def make(self, random):
        content = super().make(random)
        if random.random() < 0.2 and len(content) > 4:  # another type, another number of dimensions
            content = bytes((0, 0, random.choice((8, 9, 11, 12, 13, 14)), random.randrange(6))) + content[4:]
        return packed(random, content) if random.random() < 0.4 else content

    def read(self, content):
        path = self.write(content)
        array = read_idx(path)
        raw = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        assert raw[4 + 4 * array.ndim:] == array.astype(array.dtype.newbyteorder(">")).tobytes()
        for reader in (read_images, read_labels):
            with contextlib.suppress(DataError):
                reader(path)


class Gzip(Target):
    """A gzip stream, damaged after it was packed. Python's own module is the reference."""

    allowed, share, corpus, factor = (BrokenStreamError,), 150, "idx", 2 * 1032

    def make(self, random):
        stream = packed(random, random.choice(self.seeds))
        return b"\x1f\x8b" + mutated_bytes(random, stream, [stream])[2:] if random.random() < 0.9 else stream

    def read(self, content):
        with open(self.write(content), "rb") as file:
            ours = Content(file)
            found = ours.read(ours.most + 1)
        assert found == gzip.decompress(content) and len(found) <= ours.most


class Tensors(Target):
    """A safetensors file: its header as JSON, its bytes, and both. The format's own library is the reference."""

    allowed, share = (CheckpointError,), 200

    def make(self, random):
        content = random.choice(self.seeds)
        if random.random() < 0.5:
            size = int.from_bytes(content[:8], "little")
            header = json.loads(content[8:8 + size])
            text = json.dumps(mutated_json(random, header)).encode()
            if random.random() < 0.2:                   # a key that stands twice
                text = text.replace(b"{", b'{"w": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, ', 1)
            content = struct.pack("<Q", len(text)) + text + content[8 + size:]
        return mutated_bytes(random, content, self.seeds) if random.random() < 0.6 else content

    def read(self, content):
        path = self.write(content)
        arrays, _ = tensor_file.read(path)
        reference = safetensors.numpy.load(content)
        assert arrays.keys() == reference.keys()
        assert all(np.array_equal(arrays[name].view(np.uint8) if arrays[name].ndim else arrays[name].tobytes(),
                                  reference[name].view(np.uint8) if arrays[name].ndim else reference[name].tobytes())
                   for name in arrays)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")             # prefixes that are taken off
            checkpoint.load(path)


class Flips(Target):
    """A checkpoint with one flipped bit, in turn every one: always found."""

    allowed, share, corpus = (CheckpointError,), 60, "run"

    def start(self):
        self.seeds = [seed for seed in self.seeds if b'"sha256"' in seed]
        self.turn = 0

    def make(self, random):
        data = bytearray(self.seeds[0])
        self.turn += 1
        data[self.turn // 8 % len(data)] ^= 1 << self.turn % 8
        return bytes(data)

    def read(self, content):
        checkpoint.load(self.write(content))
        raise AssertionError("a flipped bit was not found")


class Run(Target):
    """The metadata of a run, in a file with the right checksum, and what resuming and evaluating do with them."""

    allowed, share = (CheckpointError,), 40

    def start(self):
        images, labels = np.zeros((8, 28, 28), np.uint8), np.arange(8)
        self.data = SimpleNamespace(name="tiny", train_images=images, train_labels=labels, val_images=images,
                                    val_labels=labels)
        self.best = self.folder / "best.safetensors"
        by_name = {path.name: path for path in (CORPUS / "run").iterdir()}
        self.best.write_bytes(by_name["best.safetensors"].read_bytes())
        self.arrays, self.texts = tensor_file.read(by_name["last.safetensors"])
        self.ours = json.loads(self.texts["minicnn"])
        self.model = MLP(2, rng=np.random.default_rng(0))

    def make(self, random):
        arrays, ours = dict(self.arrays), self.ours
        if random.random() < 0.3:
            name = random.choice(list(arrays))
            array = arrays.pop(name)
            change = random.randrange(5)
            if change == 0:
                arrays[name + "x"] = array
            elif change in (1, 2):
                with np.errstate(all="ignore"):
                    arrays[name] = array.astype(random.choice(("int8", "float16", "float64", "bool", "uint64")))
            elif change == 3:
                arrays[name] = random.choice((array.reshape(-1)[:1], array[None], np.zeros(0, array.dtype)))
            else:
                number = random.choice((np.nan, np.inf, 3.4e38))
                arrays[name] = np.full_like(array, number if array.dtype.kind == "f" else -1)
        if random.random() < 0.9:
            ours = mutated_json(random, ours)
        path = self.folder / "made"
        tensor_file.write(path, arrays, {"format": "pt", "minicnn": json.dumps(ours)})
        return path.read_bytes()

    def read(self, content):
        saved = checkpoint.load(self.write(content))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_resume(saved, self.model, "MLP", self.data, None)


class OtherRun(Run):
    """The same, of a run with another optimiser, a warm-up and an average of the weights."""

    corpus = "run"

    def start(self):
        super().start()
        images, labels = self.data.train_images, self.data.train_labels
        fit(self.model, Dataset("tiny", "made", images, labels, images, labels), Settings(
            epochs=2, batch_size=4, optimizer="sgd", schedule="cosine", warmup=0.5, ema=0.9, clip=1),
            out=self.folder / "other", extra_meta={"model": "MLP"})
        self.best.write_bytes((self.folder / "other" / "best.safetensors").read_bytes())
        self.arrays, self.texts = tensor_file.read(self.folder / "other" / "last.safetensors")
        self.ours = json.loads(self.texts["minicnn"])


class Speeds(Target):
    """The file of measured speeds: damaged means none."""

    share = 60

    def start(self):
        numbers = {"speeds": vars(speeds.default_speeds(speeds.target()))}
        self.seeds.append(json.dumps({**speeds._machine(), **numbers}).encode())

    def make(self, random):
        if random.random() < 0.5:
            return json.dumps(mutated_json(random, json.loads(self.seeds[-1]))).encode()
        return super().make(random)

    def read(self, content):
        path = speeds.speeds_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found = speeds._read()
        assert found is None or all(0 < number < float("inf") for number in vars(found).values())


class Kernel(Target):
    """A compiled kernel on disk: unpickled only if it is what was written."""

    share, corpus = 50, "speeds"

    def start(self):
        self.files = _SealedFiles(SimpleNamespace(_dump=pickle.dumps))
        self.files._write(self.path, ("stamp", list(range(50))))
        self.seeds = [self.path.read_bytes()]

    def read(self, content):
        found = self.files._read(self.write(content))
        assert (found == ("stamp", list(range(50)))) == (content == self.seeds[0])


class Npz(Target):
    """The embedded digits: nothing is unpacked if the file is another one."""

    allowed, share, corpus = (DataError,), 50, "idx"

    def start(self):
        self.seeds += [b"PK\x03\x04" + zlib.compress(bytes(1000))]

    def read(self, content):
        read_embedded(self.write(content))


class Arrays(Target):
    """An .npz file of the user's, whatever its zip archive and its headers say."""

    allowed, share, corpus = (InputError,), 50, "idx"

    def start(self):
        images, labels = np.zeros((12, 2, 3), np.uint8), np.arange(12) % 2
        for pack in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            pack(file, images=images, labels=labels)
            self.seeds.append(file.getvalue())
        self.path = self.folder / "input.npz"

    def read(self, content):
        load_arrays(self.write(content))


class Cifar(Target):
    """A batch of CIFAR-10's Python version: a pickle, whatever it says.

    Python's reader of pickles takes the memory that the file asks for. minicnn compares the checksum of the official
    file first, so that no other pickle comes so far; here each input has its own checksum.
    """

    allowed, share, corpus, factor = (DataError, MemoryError), 50, "idx", 10 ** 9

    def start(self):
        batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 2]}
        self.seeds += [pickle.dumps(batch, protocol) for protocol in (2, 5)]
        self.seeds += [pickle.dumps({"run": struct.calcsize}), pickle.dumps({1: np.zeros(2, object)}, 2)]

    def read(self, content):
        cifar.read(self.write(content), cifar.Batch("input", hashlib.md5(content).hexdigest()))


class Pictures(Target):
    """A picture. Pillow makes the pixels that the header states, so that memory does not depend on the file's size."""

    allowed, share, corpus, factor = (DataError,), 50, "idx", 10 ** 7

    def start(self):
        picture = Image.fromarray(np.arange(108, dtype=np.uint8).reshape(6, 6, 3))
        for kind in ("png", "gif", "jpeg", "bmp", "tiff", "webp", "ppm"):
            file = io.BytesIO()
            picture.save(file, kind)
            self.seeds.append(file.getvalue())

    def read(self, content):
        with warnings.catch_warnings(action="ignore"):
            assert read_picture(self.write(content), Rules(4)).shape == (4, 4)


class Users(Target):
    """A user's file, and the text that names a function in it."""

    allowed, share, factor = (InputError,), 50, 20_000  # Python's own compiler

    def make(self, random):
        source = super().make(random)
        spec = b"input.py:f" if random.random() < 0.7 else mutated_bytes(random, b"input.py:f", [b"minicnn.nn:Linear"])
        return spec.replace(b"\n", b" ") + b"\n" + source

    def read(self, content):
        spec, _, source = content.partition(b"\n")
        (self.folder / "input.py").write_bytes(source)
        text = spec.decode(errors="replace")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load_object(str(self.folder / text) if text.startswith("input") else text)


TARGETS = {target.__name__.lower(): target for target in (Idx, Gzip, Tensors, Flips, Run, OtherRun, Speeds, Kernel, Npz,
                                                          Arrays, Cifar, Pictures, Users)}
