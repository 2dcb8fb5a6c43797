"""load_folder: parts, classes, the rules that it finds, and every folder that it refuses."""

import numpy as np
import pytest
from PIL import Image

from minicnn.data import DataError, Rules, load_folder, load_pictures, read_picture
from minicnn.errors import FileError, InputError
from minicnn.progress import SILENT
from tests.data.pictures import make_folder, pixels_of, save
from tests.recorder import Recorder


def load(folder, **options):
    return load_folder(folder, progress=SILENT, **options)


def pixels(images):
    return sorted(image.tobytes() for image in np.asarray(images))


def test_a_fifth_of_each_class_is_for_validation(tmp_path):
    data = load(make_folder(tmp_path / "pets", count=11))
    assert data.name == "pets" and data.class_names == ("cat", "dog", "owl") and data.test_images is None
    assert np.bincount(data.train_labels).tolist() == [9, 9, 9] and np.bincount(data.val_labels).tolist() == [2, 2, 2]
    assert data.train_images.shape == (27, 8, 8, 3) and data.train_labels.dtype == np.int64
    for images, labels in ((data.train_images, data.train_labels), (data.val_images, data.val_labels)):
        for image, label in zip(np.asarray(images), labels, strict=True):
            folder = tmp_path / "pets" / data.class_names[label]
            assert any(np.array_equal(image, pixels_of(path)) for path in folder.iterdir())
    whole = [read_picture(path, data.rules) for path in (tmp_path / "pets").rglob("*.png")]
    assert pixels(data.train_images) + pixels(data.val_images) != pixels(whole)
    assert sorted(pixels(data.train_images) + pixels(data.val_images)) == pixels(whole)
    assert len(set(data.train_labels[:9].tolist())) > 1                # not class by class


def test_the_seed_decides_the_parts(tmp_path):
    folder = make_folder(tmp_path / "pets", count=11)
    one, same, other = (load(folder, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.train_images, same.train_images)
    np.testing.assert_array_equal(one.val_labels, same.val_labels)
    assert pixels(one.val_images) != pixels(other.val_images)


def test_at_least_one_of_each_class(tmp_path):
    data = load(make_folder(tmp_path, count=2))
    assert sorted(data.train_labels) == sorted(data.val_labels) == [0, 1, 2]


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_parts_that_the_user_has_made(tmp_path, name):
    make_folder(tmp_path / "train", count=3)
    make_folder(tmp_path / name, ("cat", "owl"), count=2)
    make_folder(tmp_path / "test", ("dog",), count=4)
    data = load(tmp_path)
    assert sorted(data.train_labels) == [0] * 3 + [1] * 3 + [2] * 3 and sorted(data.val_labels) == [0, 0, 2, 2]
    assert data.test_labels.tolist() == [1] * 4 and data.test_images.shape == (4, 8, 8, 3)


def test_train_and_test_only(tmp_path):
    make_folder(tmp_path / "train", count=5)
    make_folder(tmp_path / "test", count=1)
    data = load(tmp_path)
    assert [len(labels) for labels in (data.train_labels, data.val_labels, data.test_labels)] == [12, 3, 3]


def test_train_may_be_a_class(tmp_path):
    assert load(make_folder(tmp_path, ("bus", "train"))).class_names == ("bus", "train")


def test_rules_are_measured_on_the_training_part(tmp_path):
    data = load(make_folder(tmp_path, count=11))
    expected = np.asarray(data.train_images) / 255
    np.testing.assert_allclose(data.rules.mean, expected.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(data.rules.std, expected.std((0, 1, 2)), rtol=1e-12)


def test_the_size_is_that_of_the_pictures_or_32(tmp_path):
    assert load(make_folder(tmp_path / "a", size=(9, 40))).rules.size == (9, 40)
    assert load(make_folder(tmp_path / "b", size=(65, 40))).rules.size == (32, 32)
    save(make_folder(tmp_path / "c") / "cat" / "other.png", (9, 9))
    data = load(tmp_path / "c")
    assert data.rules.size == (32, 32) and "scaled from 8x8 pixels to 9x9 pixels, the middle cut out" in data.source
    assert load(tmp_path / "c", image_size=(5, 7)).rules.shape(1) == (1, 3, 5, 7)


def test_grey_and_colour(tmp_path):
    make_folder(tmp_path)
    assert load(tmp_path).rules.channels == 3
    data = load(tmp_path, colour=False)
    assert data.train_images.shape == (15, 8, 8) and "18 converted from colour" in data.source
    save(tmp_path / "cat" / "grey.png", mode="L")
    with pytest.raises(DataError, match=r"18 of 19 pictures are in colour, such as .*0.png, and the others are grey, "
                                        r"such as .*cat/grey.png: choose grey or colour"):
        load(tmp_path)
    assert "1 converted from grey" in load(tmp_path, colour=True).source


def test_an_earlier_training_gives_rules_and_classes(tmp_path):
    first = load(make_folder(tmp_path / "a", count=11))
    again = load(tmp_path / "a", rules=first.rules, class_names=first.class_names)
    assert again.rules == first.rules
    np.testing.assert_array_equal(again.train_images, first.train_images)
    make_folder(tmp_path / "b", ("owl", "cat"), count=2, size=(30, 20), mode="L")
    images, labels = load_pictures(tmp_path / "b", first.rules, first.class_names, progress=SILENT)
    assert images.shape == (4, 8, 8, 3) and labels.tolist() == [0, 0, 2, 2]
    make_folder(tmp_path / "c" / "train", count=2)
    make_folder(tmp_path / "c" / "test", count=1)
    assert len(load_pictures(tmp_path / "c", first.rules, first.class_names, progress=SILENT)[1]) == 3
    with pytest.raises(InputError, match="the rules have a size and channels"):
        load(tmp_path / "a", rules=first.rules, colour=True)
    with pytest.raises(DataError, match=r"the class owl is none of the 2 classes of the network \(cat, dog\)"):
        load_pictures(tmp_path / "b", first.rules, ("cat", "dog"), progress=SILENT)


def test_other_files_are_left_out_with_a_note(tmp_path):
    make_folder(tmp_path)
    for name in ("cat/notes.txt", "cat/.hidden.png", "dog/Thumbs.db", "list.csv"):
        (tmp_path / name).write_text("no picture")
    for name in (".git", "__MACOSX", "cat/more", "cat/.hidden", "dog/__MACOSX"):
        (tmp_path / name).mkdir()
    save(tmp_path / "cat" / "more" / "a.png")
    save(tmp_path / "a.png")
    heard = Recorder()
    data = load_folder(tmp_path, progress=heard)
    assert len(data.train_labels) == 15 and data.class_names == ("cat", "dog", "owl")
    assert [note for note in heard.notes if "left out" in note] == [
        f"1 picture in {tmp_path} left out (not in the folder of a class): a.png",
        f"2 files in {tmp_path} left out (the ending of the name is not that of a picture): notes.txt, ...",
        f"1 folder in {tmp_path} left out (pictures must lie in the folder of the class itself): more"]


def test_names_that_a_terminal_cannot_show(tmp_path):
    data = load(make_folder(tmp_path, ("a\nb", "Bär")))
    assert data.class_names == ("Bär", r"a\nb") or data.class_names == (r"a\nb", "Bär")


def test_two_classes_with_one_name(tmp_path):
    with pytest.raises(InputError, match=r"two classes have the name 'a\\\\nb': give each class a name of its own"):
        load(make_folder(tmp_path, ("a\nb", "a\\nb")))


@pytest.mark.parametrize(("make", "message"), [
    (lambda folder: None, "there is no folder in it: make one folder for each class"),
    (lambda folder: save(folder / "a.png"), "there is no folder in it"),
    (lambda folder: make_folder(folder, ("cat",)), "there is only one class, cat: a network learns"),
    (lambda folder: (make_folder(folder), (folder / "emu").mkdir()), "emu: the folder of the class emu has no"),
    (lambda folder: make_folder(folder, count=1), "the class cat has only one picture: at least two are needed"),
    (lambda folder: (make_folder(folder / "train"), make_folder(folder / "val", ("cat", "emu"))),
     r"val: the class emu is in it, but not in .*train: a class must be among the training pictures"),
    (lambda folder: (make_folder(folder / "train"), make_folder(folder / "test", ("emu",))), "test: the class emu is"),
    (lambda folder: (make_folder(folder / "train"), (folder / "val").mkdir()), "val: there is no picture in it"),
    (lambda folder: (make_folder(folder / "train"), make_folder(folder / "val"), make_folder(folder / "valid")),
     "both val and valid are folders of one part"),
    (lambda folder: (make_folder(folder / "train"), make_folder(folder / "Train")), "both Train and train are folders"),
    (lambda folder: (make_folder(folder), (folder / "cat" / "x.png").write_bytes(b"x")), "cat/x.png: this is no pic"),
    (lambda folder: (make_folder(folder, size=(40, 40)), (folder / "cat/0.png").write_bytes(
        (folder / "cat/0.png").read_bytes()[:900])), r"cat/0.png: the picture is broken"),
    (lambda folder: (make_folder(folder), save(folder / "dog" / "ink.jpg", mode="CMYK")), "dog/ink.jpg: colours of"),
    (lambda folder: (make_folder(folder), save(folder / "dog" / "dot.png", (7, 90))),
     r"dot.png: the picture has only 7 rows x 90 columns; the network needs 32x32 pixels, and a picture of less "),
])
def test_folders_that_are_refused(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_small_pictures_of_another_folder_are_refused_too(tmp_path):
    first = load(make_folder(tmp_path / "a", size=(40, 40)))
    with pytest.raises(DataError, match="0.png: the picture has only 9x9 pixels; the network needs 40x40 pixels"):
        load_pictures(make_folder(tmp_path / "b", size=(9, 9)), first.rules, first.class_names, progress=SILENT)


def test_no_such_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make_folder(tmp_path / "pets")
    assert load("~/pets").name == "pets"
    with pytest.raises(TypeError, match="the path of a file is needed, not a NoneType"):
        load(None)
    with pytest.raises(FileError, match=r"nowhere: cannot be read: No such file.* one folder for each class"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(("options", "message"), [
    ({"image_size": 0}, "load_folder: image_size must be"), ({"colour": 1}, "colour must be True or False"),
    ({"seed": -1}, "load_folder: seed must be"), ({"class_names": ("cat",)}, "only one class")])
def test_options_that_cannot_be(tmp_path, options, message):
    with pytest.raises((InputError, TypeError), match=message):
        load(make_folder(tmp_path), **options)


def test_mean_and_std_of_white_pictures(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.new("L", (3, 3), 255).save(tmp_path / name / f"{number}.png")
    assert load(tmp_path).rules == Rules(3, 1, (1.0,), (1 / 255,))
