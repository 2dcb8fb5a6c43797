"""Networks of other libraries where a command needs one of minicnn: each is refused in words, without a traceback."""

from pathlib import Path

import pytest

from minicnn.cli.foreign import refuse_foreign
from minicnn.errors import InputError

THERE = """
import torch

net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
Kind = type(net)
relu = torch.relu

class Own(torch.nn.Linear):
    def __init__(self, num_classes):
        super().__init__(784, num_classes)

def make(num_classes=10):
    return Own(num_classes)

class Odd:
    def __call__(self, image):
        return image

odd = Odd()
"""
NAMES = {"net": "there.py:net is a Module of PyTorch; this command needs a network of minicnn",
         "Kind": "there.py:Kind is a class of PyTorch; this command needs", "Own": "there.py:Own is a class of PyTorch",
         "make": "there.py:make returned a Module of PyTorch; this command needs", "odd": "needs the argument 'image'",
         "relu": "there.py:relu makes no network: called without an image, it raised TypeError"}


@pytest.fixture
def there(folder):
    pytest.importorskip("torch")
    (folder / "there.py").write_text(THERE)


def weights():
    from minicnn.training import weights_file
    return str(weights_file())


@pytest.mark.parametrize("name", NAMES)
def test_what_makes_no_network_of_minicnn_is_refused(name, there, refused):
    commands = [("info", "--model"), ("eval", weights(), "--model"), ("export", "a.onnx", "--weights", weights(),
                "--model"), ("predict", "a.png", "--weights", weights(), "--model"), ("train", "--dry-run", "--model")]
    for command in commands:
        assert NAMES[name] in refused(*command, f"there.py:{name}")
    assert not Path("a.onnx").exists()


def test_a_network_of_torch_has_its_own_way_to_onnx(there, refused):
    line = refused("export", "--model", "there.py:net", "a.onnx")
    assert NAMES["net"] in line and line.endswith("PyTorch writes ONNX itself: torch.onnx.export")
    assert "minicnn.checkpoint.load reads its state_dict" in line


@pytest.mark.parametrize(("package", "words"), [("keras.src.layers", "a layer or model of Keras"),
                                                ("flax.nnx", "a Module of Flax")])
def test_other_libraries_are_named_by_the_classes_of_the_object(package, words):
    base = type("Base", (), {"__module__": package})
    with pytest.raises(InputError, match=f"my.py:net is {words}; this command needs a network of minicnn: write its "
                                         "layers with minicnn.nn. minicnn verify"):
        refuse_foreign(type("Own", (base,), {})(), "my.py:net")
    with pytest.raises(InputError, match="my.py:Base is a class of "):
        refuse_foreign(base, "my.py:Base")
    assert refuse_foreign(3, "my.py:three") is None


@pytest.mark.parametrize("name", ["q.onnx", "q é.ONNX"])
def test_an_onnx_model_is_no_checkpoint(name, refused):
    Path(name).write_bytes(b"\x08\x08\x12\x07minicnn")      # as models of version 8 begin
    message = (f"{name} is an ONNX model, not a checkpoint; load it by minicnn.interop.from_onnx, or judge it by "
               "minicnn verify ")
    for command in (["eval"], ["info"], ["export", "b.onnx", "--weights"], ["predict", "a.png", "--weights"]):
        assert message in refused(*command, name)
