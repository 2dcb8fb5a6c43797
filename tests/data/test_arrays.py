"""load_arrays: .npz files and memory-mapped .npy files, in all layouts, and what is refused."""

import gzip
import io
import zipfile

import numpy as np
import pytest

from minicnn.data import DataError, DataLoader, Rules, load, load_arrays, read_idx
from minicnn.data.lazy import LazyPart, in_memory
from minicnn.errors import InputError
from tests.data.idx_files import idx_bytes


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (30, 5, 6, 3), dtype=np.uint8)


LABELS = np.arange(30) % 3


def keras(path, images, **more):
    np.savez(path, x_train=images[:20], y_train=LABELS[:20], x_test=images[20:], y_test=LABELS[20:], **more)
    return path


def test_as_keras_has_them(tmp_path, images):
    path = keras(tmp_path / "mine.npz", images[..., 0], class_names=np.array(["cat", "dog", "owl"]))
    data = load("auto", path)
    assert data.name == "mine" and data.class_names == ("cat", "dog", "owl") and data.rules.shape(1) == (1, 1, 5, 6)
    assert np.bincount(data.val_labels).tolist() == [1, 1, 1] and len(data.train_labels) == 17
    np.testing.assert_array_equal(data.test_images, images[20:, ..., 0])
    np.testing.assert_array_equal(data.test_labels, LABELS[20:])
    pairs = [(image.tobytes(), label) for image, label in zip(images[:20, ..., 0], LABELS, strict=False)]
    for image, label in zip([*data.train_images, *data.val_images], [*data.train_labels, *data.val_labels],
                            strict=True):
        assert (image.tobytes(), label) in pairs
    assert data.rules == Rules((5, 6)).measured(data.train_images)


@pytest.mark.parametrize(("layout", "expected"), [
    (lambda x: x, lambda x: x), (lambda x: x.transpose(0, 3, 1, 2), lambda x: x),
    (lambda x: x[..., :1], lambda x: x[..., 0]),
    (lambda x: x[..., 0][:, None], lambda x: x[..., 0]), (lambda x: x[..., 0], lambda x: x[..., 0])])
@pytest.mark.parametrize("mapped", [False, True])
def test_layouts(tmp_path, images, layout, expected, mapped):
    arrays = {"train_images": layout(images), "train_labels": LABELS[:, None].astype(np.uint8),
              "val_images": layout(images)[:9], "val_labels": LABELS[:9]}
    if mapped:
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
    else:
        np.savez_compressed(tmp_path / "a.npz", **arrays)
    data = load_arrays(tmp_path if mapped else tmp_path / "a.npz")
    np.testing.assert_array_equal(data.train_images, expected(images))
    np.testing.assert_array_equal(data.val_images, expected(images)[:9])
    np.testing.assert_array_equal(data.train_labels, LABELS)
    assert data.train_labels.dtype == np.int64 and data.class_names == ("0", "1", "2")


def test_npy_files_stay_memory_mapped(tmp_path, images):
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", LABELS)
    data = load_arrays(tmp_path, seed=4)
    assert isinstance(data.train_images, LazyPart) and isinstance(data.train_images.images, np.memmap)
    np.savez(tmp_path / "same.npz", images=images, labels=LABELS)
    same = load_arrays(tmp_path / "same.npz", seed=4)
    np.testing.assert_array_equal(data.train_images, same.train_images)
    assert data.rules == same.rules and isinstance(same.train_images, np.ndarray)
    x, y = next(iter(DataLoader(data.train_images, data.train_labels, 7, rules=data.rules)))
    assert x.shape == (7, 3, 5, 6) and y.shape == (7,)
    assert load_arrays(tmp_path, rules=Rules((5, 6), 3, (0,) * 3, (1,) * 3), class_names="abc").rules.mean == (0, 0, 0)


def with_labels(labels):
    return lambda x: {"images": x, "labels": np.asarray(labels)}


@pytest.mark.parametrize(("arrays", "message"), [
    (lambda x: {}, r"it has no array; expected images and labels to train, named x_train and y_train"),
    (lambda x: {"images": x}, "it has images; expected images and labels to train"),
    (lambda x: {"images": x / 255, "labels": LABELS}, "images holds float64, expected uint8.*multiply by 255, round"),
    (lambda x: {"images": x.astype(int), "labels": LABELS}, "images holds int64, expected uint8.*: save them as uint8"),
    (lambda x: {"images": x[0], "labels": LABELS}, "30 labels in labels|5 images in images but 30 labels"),
    (lambda x: {"images": x[..., :2], "labels": LABELS}, r"images has the shape \(30, 5, 6, 2\), expected images"),
    (lambda x: {"images": x[:, :0], "labels": LABELS}, r"images has the shape \(30, 0, 6, 3\)"),
    (lambda x: {"images": x[:9], "labels": LABELS}, "9 images in images but 30 labels in labels"),
    (with_labels(np.eye(3)[LABELS]), r"labels holds float64 of shape \(30, 3\), expected the numbers of the classes"),
    (with_labels(LABELS.astype(float)), "labels holds float64"),
    (with_labels(LABELS - 1), "labels goes from -1 to 1, expected classes from 0 on"),
    (with_labels(LABELS + 1), "no training image has the label 0: the 3 classes must be numbered from 0 to 2, not"),
    (with_labels(LABELS * 2), "no training image has the label 1"), (with_labels(LABELS * 0), "only one class, 0"),
    (with_labels([0] * 29 + [1]), "the class 1 has only one picture: at least two"),
    (lambda x: {"images": x, "labels": LABELS, "x_test": x, "y_test": LABELS + 1}, "the class 3 is in the test part"),
    (lambda x: {"images": x, "labels": LABELS, "x_test": x[..., 0], "y_test": LABELS}, "some parts are in colour and"),
    (lambda x: {"images": x, "labels": LABELS, "x_test": x[:, 1:], "y_test": LABELS},
     "some images have 4 rows x 6 columns, but those to train 5 rows x 6 columns: make them alike"),
    (lambda x: {"images": x, "labels": LABELS, "class_names": np.array([b"a", b"b", b"c"])},
     r"class_names holds \|S1, expected texts"),
    (lambda x: {"images": x, "labels": LABELS, "class_names": np.array(["a", "b", "a"])},
     "class_names: two classes have the name 'a': give each class a name of its own"),
    (lambda x: {"images": x, "labels": LABELS.astype(object)}, "an array holds Python objects, .*: save numbers as"),
    (lambda x: {"images": x, "labels": LABELS, "class_names": np.array(["a"])}, "1 class_names for 3 classes")])
@pytest.mark.parametrize("mapped", [False, True])
def test_arrays_that_are_refused(tmp_path, images, arrays, message, mapped):
    made, path = arrays(images), tmp_path if mapped else tmp_path / "a.npz"
    if mapped:
        for name, array in made.items():
            np.save(tmp_path / f"{name}.npy", array)
    else:
        np.savez(path, **made)
    with pytest.raises(InputError, match=message) as caught:
        load_arrays(path)
    assert str(path) in str(caught.value)


def test_all_arrays_of_a_file_with_other_names_are_listed(tmp_path, images):
    np.savez(tmp_path / "a.npz", pixels=images, y=LABELS)
    with pytest.raises(DataError, match="it has pixels, y; expected images and labels to train"):
        load_arrays(tmp_path / "a.npz")


def test_names_of_classes_that_a_terminal_cannot_show(tmp_path, images):
    data = load_arrays(keras(tmp_path / "a.npz", images, class_names=np.array(["\x1b[31m", "a\nb", "日本"])))
    assert data.class_names == (r"\x1b[31m", r"a\nb", "日本")
    with pytest.raises(DataError, match="the class 1 has an empty text as its name"):
        load_arrays(keras(tmp_path / "b.npz", images, class_names=np.array(["a", "", "b"])))


def bomb():
    """An .npz file whose array of 10 GB is packed into a few bytes, as its directory says."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", b"\0" * 5000)
    content = bytearray(file.getvalue())
    start = content.rindex(b"PK\1\2")
    content[start + 24:start + 28] = (2 ** 31).to_bytes(4, "little")
    return bytes(content)


def huge_header():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10 ** 15,)})
        archive.writestr("images.npy", header.getvalue())
    return file.getvalue()


def objects():
    file = io.BytesIO()
    np.savez(file, images=np.array([{}], object), labels=LABELS)
    return file.getvalue()


@pytest.mark.parametrize(("content", "message"), [
    (b"", "not an intact .npz file"), (b"PK\3\4 and more", "not an intact .npz file"),
    (bomb(), "images.npy claims 2,147,483,648 bytes"), (huge_header(), "not an intact .npz file"),
    (objects(), "an array holds Python objects, which are not read because they could run code")])
def test_broken_files(tmp_path, content, message):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=f"a.npz: {message}"):
        load_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no array at all"])
def test_broken_npy_files(tmp_path, images, content):
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "labels.npy").write_bytes(content)
    with pytest.raises(DataError, match="labels.npy: not an intact .npy file of NumPy .*Replace the file"):
        load_arrays(tmp_path)
    np.save(tmp_path / "labels.npy", LABELS)
    (tmp_path / "images.npy").write_bytes((tmp_path / "images.npy").read_bytes()[:-7])
    with pytest.raises(DataError, match="images.npy: not an intact .npy file"):
        load_arrays(tmp_path)


def test_arrays_are_no_named_dataset(tmp_path, images):
    path = keras(tmp_path / "mine.npz", images)
    with pytest.raises(InputError, match="mine.npz holds arrays, not the files of kmnist: leave out the name"):
        load("kmnist", path)
    with pytest.raises(DataError, match="nowhere.npz: cannot be read: No such file"):
        load("auto", tmp_path / "nowhere.npz")


def test_no_such_file(tmp_path):
    with pytest.raises(DataError, match="a.npz: cannot be read: No such file"):
        load_arrays(tmp_path / "a.npz")
    with pytest.raises(DataError, match="it has no array; expected"):
        load_arrays(tmp_path)


def test_idx_files_stay_memory_mapped(tmp_path, images):
    for name, array in (("images", images), ("labels", LABELS.astype(np.uint8))):
        (tmp_path / f"{name}.idx").write_bytes(idx_bytes(array))
    np.savez(tmp_path / "same.npz", images=images, labels=LABELS)
    data, same = load("auto", tmp_path), load_arrays(tmp_path / "same.npz")
    assert isinstance(data.train_images.images, np.memmap) and "gzipped" not in data.source
    np.testing.assert_array_equal(data.val_images, same.val_images)
    assert data.rules == same.rules and np.array_equal(data.val_labels, same.val_labels)


def test_gzipped_idx_files_are_read_whole_and_said_to_be(tmp_path, images):
    (tmp_path / "x_train.idx.gz").write_bytes(gzip.compress(idx_bytes(images)))
    (tmp_path / "y_train.idx").write_bytes(gzip.compress(idx_bytes(LABELS.astype(np.uint8))))
    data = load("auto", tmp_path)
    assert in_memory(data.train_images) and len(data.train_images) == 24
    assert f"{tmp_path} (x_train.idx.gz, y_train.idx: gzipped, and so in memory as a whole; gunzip mends" in data.source


@pytest.mark.parametrize(("name", "content", "message"), [
    ("images.npy", gzip.compress(b"any"), "images.npy: it is gzipped, so that it cannot be memory-mapped: unpack it"),
    ("images.idx", idx_bytes(np.zeros((30, 2, 2), np.uint8))[:-1], "images.idx: truncated: 135 bytes"),
    ("images.idx", idx_bytes(np.zeros((30, 2, 2), np.int32)), "images holds >i4, expected uint8.*: save them as uint8"),
    ("images.idx", idx_bytes(np.zeros((30, 2, 2))), "images holds >f8, expected uint8.*multiply by 255, round"),
    ("labels.npy", b"", "both labels.npy and labels.idx are there: leave one")])
def test_files_that_cannot_be_mapped(tmp_path, name, content, message):
    (tmp_path / "labels.idx").write_bytes(idx_bytes(LABELS.astype(np.uint8)))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_arrays(tmp_path)


class Counting(LazyPart):
    """Images that write down which of them were read."""

    def __init__(self, images):
        super().__init__(images, np.arange(len(images)))
        self.seen = []

    def read(self, numbers):
        self.seen += numbers.tolist()
        return super().read(numbers)


@pytest.mark.parametrize("shuffle", [False, True])
def test_the_parts_of_a_batch_read_only_their_images(tmp_path, shuffle):
    (tmp_path / "images.idx").write_bytes(idx_bytes(np.arange(64 * 4, dtype=np.uint8).reshape(64, 2, 2)))
    mapped = read_idx(tmp_path / "images.idx", mmap=True)
    assert np.shares_memory(DataLoader(mapped, np.arange(64)).images, mapped)                 # no copy
    seen = []
    for part in range(3):
        images = Counting(mapped)
        loader = DataLoader(images, np.arange(64), 32, shuffle=shuffle, rules=Rules(2), rng=np.random.default_rng(0))
        assert images.seen == []
        (_, labels), = loader.batches(1, (part, 3))
        assert images.seen == labels.tolist() and len(labels) in (10, 11)
        seen += images.seen
    assert len(set(seen)) == 32 and (shuffle or seen == list(range(32, 64)))
