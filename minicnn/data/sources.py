"""MNIST and Fashion-MNIST: what their four files are called, where they come from, their checksums."""

from dataclasses import dataclass


@dataclass(frozen=True)
class IdxFile:
    """One official file: its name without ".gz", the array in it, and its checksums.

    `size` and `sha256` are those of the .gz file, `raw_sha256` is that of the file unpacked: None
    where nobody publishes it.
    """

    name: str
    shape: tuple
    size: int
    sha256: str
    raw_sha256: str | None


@dataclass(frozen=True)
class Source:
    """A dataset of four IDX files (training images and labels, test images and labels) and its mirrors.

    `folder` is the name that torchvision gives to its directory.
    """

    name: str
    folder: str
    mirrors: tuple
    files: tuple


def _files(*rows):
    """Both datasets have the same names and shapes; a row is what differs: size, sha256, raw_sha256."""
    names_and_shapes = (
        ("train-images-idx3-ubyte", (60000, 28, 28)),
        ("train-labels-idx1-ubyte", (60000,)),
        ("t10k-images-idx3-ubyte", (10000, 28, 28)),
        ("t10k-labels-idx1-ubyte", (10000,)),
    )
    return tuple(IdxFile(*fixed, *row) for fixed, row in zip(names_and_shapes, rows, strict=True))


# raw_sha256 was computed by unpacking .gz files that have the published SHA-256.
MNIST = Source(
    name="mnist",
    folder="MNIST",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    files=_files(
        (
            9912422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        (
            28881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        (
            1648877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        (
            4542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)

# Sizes and SHA-256 as in TensorFlow Datasets (url_checksums/fashion_mnist.txt) and in torchvision's
# prototype datasets. The first mirror is the official one; it has no HTTPS, the checksum stands in.
FASHION_MNIST = Source(
    name="fashion-mnist",
    folder="FashionMNIST",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    files=_files(
        (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84", None),
        (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845", None),
        (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073", None),
        (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5", None),
    ),
)

SOURCES = {source.name: source for source in (MNIST, FASHION_MNIST)}
