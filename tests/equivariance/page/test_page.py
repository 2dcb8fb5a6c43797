"""The page of a report: what stands in it, that nothing in it is unescaped, and that it loads nothing."""

import re
from dataclasses import replace

import numpy as np
import pytest

from minicnn import FileError, InputError, InputTypeError
from minicnn import functional as F
from minicnn.equivariance import Witness, save_report, shift, verify_convolution
from minicnn.equivariance.layerwise import LayerReport, NetworkReport, NotJudged, network_report
from minicnn.equivariance.page import page_text
from minicnn.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from tests.equivariance.page.pages import Parsed, pictures

HOSTILE = '<script>alert("1")</script>&{{css}}{{main}}é'
BLUR = lambda f: (np.roll(f, 1, 3) + 2 * f + np.roll(f, -1, 3)) / 4
VIGNETTE = lambda f: f * np.linspace(0.5, 1, f.shape[-1])


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(0)
    return Sequential(Conv2d(1, 2, 3, rng=rng), ReLU(), MaxPool2d(2), Flatten(), Linear(2 * 49, 3, rng=rng))


@pytest.fixture(scope="module")
def whole(network):
    return network_report(network, 1, (16, 16))


@pytest.fixture(scope="module")
def layers(whole):
    return whole.layers


def cases():
    """Reports of all kinds: each way in which a law can break, each domain, small and odd sizes, large numbers."""
    yield "blur", verify_convolution(BLUR)
    yield "proof", verify_convolution(BLUR, size=(5, 4), exhaustive=True)
    yield "relu", verify_convolution(F.relu)
    yield "vignette", verify_convolution(VIGNETTE, dtype=np.float32)
    yield "one pixel", verify_convolution(lambda f: 2 * f, size=1)
    yield "zero", verify_convolution(lambda f: 0 * f, size=(1, 3))
    yield "large", verify_convolution(lambda f: 1e150 * f + 1e150)
    yield "plane", verify_convolution(Conv2d(2, 3, 3, padding=1), 2, (9, 7), "plane")
    yield "border", verify_convolution(Conv2d(1, 1, 3, padding=1), 1, (8, 8), "window")
    yield "stride", verify_convolution(lambda f: BLUR(f)[..., ::2, ::2])
    yield "upsampling", verify_convolution(lambda f: np.kron(f, [[1, 0], [0, 0]]))
    yield "chance", verify_convolution(lambda f: f + np.random.default_rng().random(f.shape))
    yield "batch", verify_convolution(lambda f: f - f.mean(0))
    yield "curved window", verify_convolution(MaxPool2d(2), 1, (9, 9), "window")


@pytest.fixture(scope="module")
def reports():
    return dict(cases())


@pytest.fixture(scope="module")
def pages(reports, whole):
    made = {name: page_text(report, name, {"seed": "0"}) for name, report in reports.items()}
    return made | {"layers": page_text(whole, "net", {"seed": "1"})}


def test_every_page_is_whole_and_loads_nothing(pages):
    for name, text in pages.items():
        page = Parsed(text)
        policy, = (one["content"] for one in page.named("meta") if "http-equiv" in one)
        assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:", name
        assert not {"script", "iframe", "object", "form", "base"} & {tag for tag, _ in page.tags}
        sources = [one[key] for _, one in page.tags for key in ("src", "href", "srcset", "action") if key in one]
        assert all(one.startswith("data:") for one in sources)
        assert not re.search(r"url\(|@import|\{\{|\son\w+=", text)
        assert text.startswith("<!doctype html>\n<html lang=\"en\">")


def test_every_page_is_accessible(pages):
    for name, text in pages.items():
        page = Parsed(text)
        assert all(one.get("role") == "img" and one.get("aria-label") for one in page.named("svg")), name
        assert all("alt" in one for one in page.named("img"))
        assert len(page.named("caption")) == len(page.named("table")) >= 2
        assert all(one.get("scope") in ("row", "col") for one in page.named("th"))
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))


def test_what_was_asked_and_found(pages, reports):
    for name, report in reports.items():
        text = Parsed(pages[name]).text
        assert f"Is {name} a convolution? {name} is {report.verdict}." in text
        for check in report.checks:
            assert f"{check.says} {'ok' if check.passed else 'FAIL'} {check.error:.1e} {check.tolerance:.1e}" in text
        assert all(str(witness) in text for witness in report.witnesses.values())
        assert f"size of the images {report.size[0]} x {report.size[1]} pixels" in text
        assert f"dtype of the images {report.dtype} " in text and "seed 0" in text
        assert f"domain {report.domain}: " in text and "Made by minicnn 0." in text
    proof = Parsed(pages["proof"]).text
    assert "every basis vector tried" in proof and "If the operator is linear, this is a proof." in proof
    assert "every basis vector not tried" in Parsed(pages["blur"]).text
    assert "there is no impulse response" in Parsed(pages["chance"]).text


def test_nothing_is_unescaped(whole):
    layers = [LayerReport(HOSTILE, f"{HOSTILE}(1)", one.report, HOSTILE) for one in whole.layers]
    after = [replace(one, name=HOSTILE, kind=HOSTILE, verdict=HOSTILE, reason=HOSTILE) for one in whole.after]
    named = NetworkReport([*layers, NotJudged(HOSTILE, HOSTILE, HOSTILE)], after)
    for text in (page_text(verify_convolution(F.relu), HOSTILE, {HOSTILE: HOSTILE}),
                 page_text(named, HOSTILE, {HOSTILE: HOSTILE})):
        page = Parsed(text)
        assert not page.named("script") and text.count("<style>") == 1
        assert HOSTILE in page.text


@pytest.mark.parametrize(("op", "domain"), [(VIGNETTE, "torus"), (F.relu, "torus"), (VIGNETTE, "plane"),
                                            (VIGNETTE, "window")])
def test_the_pictures_show_the_witness(op, domain):
    """The pictures of both sides and of the difference have the colours of sides that are computed here again."""
    report = verify_convolution(op, size=8, domain=domain)
    law, witness = next(iter(report.witnesses.items()))
    called = lambda f: np.asarray(getattr(op(f), "data", op(f)))
    if law == "homogeneity":
        f, a = witness.inputs[0][None], witness.law.factor
        left, right, known = called(a * f), a * called(f), np.ones((8, 8), bool)
    elif domain == "window":
        (dy, dx), f = witness.law.by, witness.inputs[0][None]
        left = called(f[..., 8 - dy:16 - dy, 8 - dx:16 - dx])
        right = shift(called(f[..., 8:16, 8:16]), (dy, dx), "plane")
        known = shift(np.ones((8, 8)), (dy, dx), "plane") > 0
    else:
        f, by = witness.inputs[0][None], witness.law.by
        left, right = called(shift(f, by, domain)), shift(called(f), by, domain)
        known = shift(np.ones((8, 8)), by, domain) > 0
    shown = pictures(page_text(report, "op", {}))
    first = [pixels for alt, pixels in shown.items() if "difference" in alt][0]
    difference = np.where(known, left - right, 0)[0, 0]
    opaque = np.rint(255 * np.abs(difference) / np.abs(difference).max())
    np.testing.assert_array_equal(first[known][:, 3], opaque[known])
    assert (first[~known] == (127, 127, 127, 120)).all()
    assert (first[difference > 0][:, 0] == 213).all() and (first[difference < 0][:, 2] == 178).all()
    largest = max(np.abs(left).max(), np.abs(right).max())
    for alt, side in zip(str(witness.law).split(" = "), (left, right), strict=True):
        found, = (pixels for name, pixels in shown.items() if name.startswith(f"{alt}. "))
        opaque = np.rint(255 * np.abs(side[0, 0]) / largest)
        np.testing.assert_array_equal(found[known][:, 3], opaque[known])


def test_the_wrong_pixels_are_counted_and_outlined():
    report = verify_convolution(Conv2d(1, 1, 3, padding=1, rng=np.random.default_rng(0)), size=8)
    text = page_text(report, "conv", {})
    assert "op(f) = op(0) + h * f: 28 of 64 output pixels are wrong, rows 0 to 7, columns 0 to 7" in Parsed(text).text
    border, = (pixels for alt, pixels in pictures(text).items() if "28 of 64" in alt)
    assert (border[..., 3] > 0).sum() == 28 and not border[1:-1, 1:-1, 3].any()
    assert text.count('class="outline"') >= 2 and "wrong, with an outline" in text


def test_the_impulse_response_and_the_spectrum(rng):
    kernel = rng.standard_normal((3, 2, 3, 3))
    conv = Conv2d(2, 3, 3, padding=1, padding_mode="circular", rng=rng, dtype=np.float64)
    conv.weight.data[...] = kernel[..., ::-1, ::-1]
    text = Parsed(page_text(verify_convolution(conv, 2, (8, 6)), "conv", {})).text
    o, i = divmod(int(np.abs(kernel).max((2, 3)).argmax()), 2)
    assert f"The numbers of h, output channel {o} from input channel {i}" in text
    assert all(f"{value:.6g}" in text for value in kernel[o, i].ravel())
    gains = np.linalg.norm(np.fft.fft2(kernel, s=(8, 6)).transpose(2, 3, 0, 1), 2, (2, 3))
    assert f"The largest gain is {gains.max():.6g} at" in text and f"the smallest one {gains.min():.6g} at" in text
    assert f"without any structure, is {gains[0, 0]:.6g}." in text


def test_the_frequencies_of_a_blur(pages):
    text = Parsed(pages["blur"]).text
    assert "The largest gain is 1 at v = 0, u = 0, the smallest one 0 at v = 0, u = 8." in text
    picture, = (pixels for alt, pixels in pictures(pages["blur"]).items() if "16 x 16 frequencies" in alt)
    assert (picture[:, 8] == picture[0, 8]).all() and picture[0, 8, 0] > 200 > picture[0, 0, 0]     # yellow, dark blue
    assert "keeps only every 2 x 2-th pixel" in Parsed(pages["stride"]).text
    assert "zeros between the pixels, 2 x 2 times" in Parsed(pages["upsampling"]).text
    assert "its result for a single bright pixel does not determine it" in Parsed(pages["relu"]).text
    assert "there is no transfer function" in Parsed(pages["vignette"]).text


def test_layers(layers, pages, whole):
    page = Parsed(pages["layers"])
    assert "The first layer of net that breaks equivariance to shifts is 2 MaxPool2d." in page.text
    assert f"Why 2 MaxPool2d breaks it, and what mends it {layers[2].reason}." in page.text
    assert "BlurPool2d" in layers[2].reason
    marked = re.findall(r'<tr class="first"><th scope="row">([^<]*)', pages["layers"])
    assert marked == ["2 MaxPool2d"]
    assert "net up to 2 MaxPool2d" in page.text and len(whole.after) == 2
    for step, name in zip(whole.after, ("3 Flatten", "4 Linear"), strict=True):
        assert f"{name} {step.kind} {'ok' if step.invariant else 'FAIL'} {step.verdict}" in page.text
    assert f"3 Flatten: {whole.after[0].reason}." in page.text and whole.after[0].reason
    kept = Parsed(page_text(layers[:2], "net", {})).text
    assert "net is equivariant to all shifts up to its last layer that returns an image, 1 ReLU." in kept
    mended = page_text([replace(layers[2], mended=True)], "net", {})
    assert "2 MaxPool2d" in mended and "mended" in Parsed(mended).text and 'class="first"' not in mended
    unknown = Parsed(page_text([replace(layers[2], reason="")], "net", {})).text
    assert "nothing in its settings explains it" in unknown
    flat = NotJudged("0", "Flatten()", "its output is no image")
    nothing = Parsed(page_text(NetworkReport([flat], []), "net", {})).text
    assert "net has no layer that returns an image of several pixels" in nothing and "0 Flatten Flatten()" in nothing


def test_many_channels_and_large_images_are_cut(rng):
    wide = verify_convolution(Conv2d(4, 5, 3, padding=1, padding_mode="circular", rng=rng), 4, 4)
    assert "The pictures show 12 of 20 pairs of channels." in Parsed(page_text(wide, "wide", {})).text
    long = np.zeros((1, 1, 1, 1100))
    long[..., 700] = 1
    report = verify_convolution(lambda f: f * (1 + long), size=(1, 1100), trials=1)
    text = page_text(report, "long", {})
    assert "each square stands for 3 x 3 pixels" in Parsed(text).text
    where, = (pixels for alt, pixels in pictures(text).items() if alt.startswith("op(f) = op(0) + h * f: 1 of 1100"))
    assert where.shape == (1, 367, 4) and where[..., 3].argmax() == 700 // 3


def test_a_witness_from_json_has_no_pictures_of_the_sides(tmp_path):
    report = verify_convolution(VIGNETTE)
    read = {name: Witness.from_dict(one.to_dict()) for name, one in report.witnesses.items()}
    text = page_text(replace(report, witnesses=read), "vignette", {})
    assert "The result moves with the image: broken" in Parsed(text).text
    assert "difference" not in " ".join(pictures(text))


def test_a_page_is_saved_and_an_old_one_replaced_as_a_whole(tmp_path):
    report, path = verify_convolution(BLUR), tmp_path / "a report é.html"
    path.write_text("old")
    save_report(report, path, operator="blur", asked={"seed": "0"})
    first = path.read_bytes()
    assert first.decode() == page_text(report, "blur", {"seed": "0"}) and [path] == list(tmp_path.iterdir())
    save_report(verify_convolution(BLUR), str(path), operator="blur", asked={"seed": "0"})
    assert path.read_bytes() == first
    for found in (3, None, "text", [report], {}):
        with pytest.raises(InputTypeError, match="takes a Report, a NetworkReport or a list of LayerReports, not a"):
            save_report(found, path)
    assert path.read_bytes() == first
    with pytest.raises(InputError, match="the name must end in .html"):
        save_report(report, tmp_path / "a.txt")
    with pytest.raises(FileError, match="its directory does not exist; create it first"):
        save_report(report, tmp_path / "no" / "a.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(FileError, match="it is a directory; give the name of a file in it"):
        save_report(report, tmp_path / "folder.html")
