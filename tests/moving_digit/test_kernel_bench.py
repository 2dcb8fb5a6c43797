"""The kernel bench of the page, in a real browser: its operators against NumPy, its verdicts against the verifier."""

import itertools

import numpy as np
import pytest

from minicnn.equivariance import verify_convolution

DOMAINS = (("circular", "torus"), ("zeros", "plane"), ("zeros", "torus"), ("zeros", "window"), ("none", "window"))
OTHERS = ("median", "maximum", "contrast", "relu", "gain", "mirror")
WITH_A_WINDOW = ("kernel", "median", "maximum", "contrast")
BASE = {"kind": "kernel", "side": 3, "flipped": True, "stride": 1, "dilation": 1, "padding": "zeros"}


def contrast(window):
    middle = window.mean(-1, keepdims=True)
    return (window[..., window.shape[-1] // 2] - middle[..., 0]) / (1 + window.std(-1))


def gain(f):
    (y, h), (x, w) = ((np.arange(n), n) for n in f.shape[2:])
    return f / (1 + ((y[:, None] - (h - 1) / 2) / h) ** 2 + ((x - (w - 1) / 2) / w) ** 2)


def of(operator):
    """The operator of the page, in NumPy, on images (N, 1, H, W)."""
    kind, side, stride, dilation = (operator[name] for name in ("kind", "side", "stride", "dilation"))
    if kind not in WITH_A_WINDOW:
        return {"relu": lambda f: np.maximum(f, 0), "gain": gain, "mirror": lambda f: f[..., ::-1]}[kind]
    weight = np.ravel(operator.get("kernel", []))[::-1 if operator["flipped"] else 1]
    reduce = {"kernel": lambda w: w @ weight, "median": lambda w: np.median(w, -1), "contrast": contrast,
              "maximum": lambda w: w.max(-1)}[kind]
    by, extent = dilation * (side - 1) // 2, dilation * (side - 1) + 1

    def apply(f):
        if operator["padding"] != "none":
            f = np.pad(f, ((0, 0), (0, 0), (by, by), (by, by)),
                       {"zeros": "constant", "circular": "wrap"}[operator["padding"]])
        windows = np.lib.stride_tricks.sliding_window_view(f, (extent, extent), (2, 3))
        windows = windows[:, :, ::stride, ::stride, ::dilation, ::dilation]
        return reduce(windows.reshape(*windows.shape[:4], -1))
    return apply


def judged(opened, operator, domain):
    """The page's report on an operator, and the width of the images that were tried."""
    return opened.browser.execute_async_script("""
        const [operator, domain, done] = arguments, { Laws, Operators } = minicnn.bench;
        const side = Laws.sideFor(Operators.hasWindow(operator) ? Operators.reach(operator) : 1);
        Laws.verify((f) => Operators.apply(operator, f), domain, side, async () => {}).then(
          ({ verdict, linear, lattice, witness, laws }) => done({ verdict, linear, lattice, side,
            broken: witness && witness.law.says, failed: laws.filter((law) => !law.passed).length }));
        """, operator, domain)


def presets(opened):
    kernels = opened.run("return [...document.querySelectorAll('#bench-preset optgroup')[0].children].map("
                         "(option) => option.value).filter((name) => name !== 'own')")
    for name in kernels:
        yield opened.run("minicnn.bench.choosePreset(arguments[0]); return {...minicnn.bench.operator}", name)
    for kind in OTHERS:
        yield {**BASE, "kind": kind}


def agree(opened, operator, domain):
    found = judged(opened, operator, domain)
    expected = verify_convolution(of(operator), size=found["side"], domain=domain)
    assert found["verdict"] == expected.verdict, (operator, domain)
    assert found["linear"] == expected.linear and tuple(found["lattice"]) == expected.lattice
    assert bool(found["broken"]) == (expected.witness is not None) == (found["failed"] > 0)
    if found["broken"]:
        assert found["broken"].startswith({"homogeneity": "L(-1 f)" if operator["kind"] != "contrast" else "L(0.5 f)",
                                           "additivity": "L(f + g)", "equivariance": "op(S f)",
                                           "convolution": "op(f) = h"}[expected.witness.law.name])


def test_verdict_of_each_preset_is_the_verifiers(opened):
    opened.go(3, 5, 5, "kernel")
    operators = list(presets(opened))
    assert len(operators) == 9 + 6 + 6
    for operator, (padding, domain) in zip(operators, itertools.cycle(DOMAINS)):
        agree(opened, {**operator, "padding": padding}, domain)


@pytest.mark.slow
def test_verdict_of_each_preset_on_each_domain_is_the_verifiers(opened):
    opened.go(3, 5, 5, "kernel")
    for operator, (padding, domain) in itertools.product(list(presets(opened)), DOMAINS):
        agree(opened, {**operator, "padding": padding}, domain)


@pytest.mark.parametrize("changes", [{"stride": 2}, {"stride": 3, "flipped": False}, {"dilation": 2},
                                     {"stride": 4, "dilation": 3}, {"stride": 2, "kind": "median"}], ids=str)
@pytest.mark.parametrize(("padding", "domain"), DOMAINS)
def test_verdicts_with_strides_and_dilations_are_the_verifiers(opened, rng, changes, padding, domain):
    kernel = np.round(rng.standard_normal(9), 2).tolist()
    agree(opened, {**BASE, "kernel": kernel, "padding": padding, **changes}, domain)


def test_results_are_numpys(opened, rng):
    opened.go(3, 2, 7, "kernel")
    for side, flipped, stride, dilation, padding in itertools.product((3, 5, 7), (True, False), (1, 2, 3), (1, 3),
                                                                      ("zeros", "circular", "none")):
        operator = {"kind": "kernel", "side": side, "flipped": flipped, "stride": stride, "dilation": dilation,
                    "padding": padding, "kernel": rng.standard_normal(side * side).tolist()}
        image = rng.random((1, 1, 20, 23))
        found = opened.run("""
            const [operator, values, height, width] = arguments, { Operators } = minicnn.bench;
            const out = Operators.apply(operator, { values: Float64Array.from(values), height, width });
            return [Array.from(out.values), out.height, out.width];""", operator, image.ravel().tolist(), 20, 23)
        expected = of(operator)(image)[0, 0]
        np.testing.assert_allclose(np.reshape(found[0], found[1:]), expected, rtol=0, atol=1e-12)


def test_spectrum_is_the_transform_of_the_kernel(opened, rng):
    for side, dilation in ((3, 1), (5, 2), (7, 3)):
        kernel = rng.standard_normal((side, side))
        found = opened.run("return Array.from(minicnn.bench.Operators.magnitude({ kernel: arguments[0], side: "
                           "arguments[1], dilation: arguments[2] }, 32).values)", kernel.ravel().tolist(), side,
                           dilation)
        spread = np.zeros((32, 32))
        spread[:dilation * side:dilation, :dilation * side:dilation] = kernel
        expected = np.abs(np.fft.fftshift(np.fft.fft2(spread)))
        np.testing.assert_allclose(np.reshape(found, (32, 32)), expected, atol=1e-9)


def wait_for_verdict(opened):
    from selenium.webdriver.support.ui import WebDriverWait
    WebDriverWait(opened.browser, 20).until(lambda it: it.execute_script(
        "return minicnn.bench.report !== null && !document.getElementById('bench-verdict').textContent.includes('…')"))
    opened.settle()


def retype(field, text):
    """Type over the text of a field; "\\t" leaves the field."""
    from selenium.webdriver.common.keys import Keys
    field.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE, *text.replace("\t", Keys.TAB))


def test_a_number_changed_by_hand_is_judged_and_drawn(opened):
    from selenium.webdriver.common.by import By
    opened.go(3, 5, 5, "kernel")
    opened.run("minicnn.bench.choosePreset('identity')")
    wait_for_verdict(opened)
    assert opened.text("bench-verdict") == "The verdict on the plane: a convolution."
    assert "is the same when it is turned by 180°" in opened.text("bench-flip-text")
    first = opened.browser.find_element(By.CSS_SELECTOR, "#bench-kernel input")
    retype(first, "-2")
    opened.settle()
    assert opened.run("return document.getElementById('bench-preset').value") == "own"
    assert opened.run("return minicnn.bench.operator.kernel") == [-2, 0, 0, 0, 1, 0, 0, 0, 0]
    assert opened.text("bench-flip-text") == "Convolution: the response to the bright pixel is the kernel itself."
    opened.run("const flipped = document.getElementById('bench-flipped'); flipped.value = 'no';"
               "flipped.dispatchEvent(new Event('change'));")
    opened.settle()
    assert "turned by 180°" in opened.text("bench-flip-text")
    wait_for_verdict(opened)
    assert opened.text("bench-verdict") == "The verdict on the plane: a convolution."


@pytest.mark.parametrize(("typed", "counts"), [("1e300", 1e6), ("-1e7", -1e6), ("1e999", 1e6), ("e", 3), ("", 3)])
def test_a_field_has_the_number_that_counts(opened, typed, counts):
    from selenium.webdriver.common.by import By
    opened.go(3, 5, 5, "kernel")
    opened.run("minicnn.bench.choosePreset('identity')")
    first = opened.browser.find_element(By.CSS_SELECTOR, "#bench-kernel input")
    retype(first, "3\t")
    assert opened.text("bench-kernel-text") == ""
    retype(first, typed + "\t")
    opened.settle()
    assert opened.run("return minicnn.bench.operator.kernel")[0] == counts
    assert opened.run("return Number(document.querySelector('#bench-kernel input').value)") == counts
    assert opened.text("bench-kernel-text").endswith("each number of the kernel is from −1,000,000 to 1,000,000.")


def test_one_pixel_step_by_step(opened, contents):
    digit = contents[1]["images"][3].reshape(28, 28) / 255
    opened.go(3, 5, 5, "kernel")
    opened.run("minicnn.bench.choosePreset('sharpen'); minicnn.bench.look(20, 17)")
    opened.settle()
    tables = opened.run("return [...document.querySelectorAll('#bench-products table')].map((table) => "
                        "[...table.querySelectorAll('td')].map((cell) => Number(cell.textContent.replace('−', '-'))))")
    window = np.pad(digit, 5)[19:22, 16:19].ravel()
    np.testing.assert_allclose(tables[0], window, atol=0.006)
    np.testing.assert_allclose(tables[2], window * [0, -1, 0, -1, 5, -1, 0, -1, 0], atol=0.06)
    total = float(window @ [0, -1, 0, -1, 5, -1, 0, -1, 0])
    said = opened.text("bench-sum").removeprefix("Their sum is ").split(":")[0].replace("−", "-")
    assert float(said) == pytest.approx(total, abs=6e-3)
    assert not opened.run("return document.getElementById('bench-sees').hidden")


def test_what_breaks_is_shown(opened):
    opened.go(3, 5, 5, "kernel")
    opened.run("minicnn.bench.choosePreset('mean'); minicnn.bench.domain('torus')")
    wait_for_verdict(opened)
    assert opened.text("bench-verdict") == ("The verdict on the torus: not a convolution at the border, (1, 1, 1, 1) "
                                            "pixels (top, bottom, left, right), but one inside.")
    assert opened.text("bench-witness-text").startswith("Broken: op(S f) = S op(f), S = (1, 0). At row ")
    assert "after a shift by 1 down and 0 to the right" in opened.text("bench-witness-text")
    assert not opened.run("return document.getElementById('bench-witness').hidden")
    opened.run("minicnn.bench.choosePreset('relu')")
    wait_for_verdict(opened)
    assert "not linear; equivariant to all shifts" in opened.text("bench-verdict")
    assert opened.text("bench-witness-text").startswith("Broken: L(−1 f) = −1 L(f). At row 6, column 6 the sides are")
    assert opened.run("return [...document.querySelectorAll('#kernel [data-needs]')].every((one) => one.hidden)")
    assert opened.run("return document.getElementById('bench-g-shown').hidden")
    opened.run("minicnn.bench.choosePreset('median')")
    wait_for_verdict(opened)
    assert opened.text("bench-witness-text").startswith("Broken: L(f + g) = L(f) + L(g). At row ")
    shown = opened.run("const g = document.getElementById('bench-g');"
                       "return [g.offsetParent !== null, g.width, g.height]")
    side = opened.run("return minicnn.bench.report.witness.f.width")
    assert shown == [True, side, side]


def test_from_an_operator_without_a_kernel_back_to_your_own_numbers(opened):
    opened.go(3, 5, 5, "kernel")
    choose = ("const preset = document.getElementById('bench-preset'); preset.value = arguments[0];"
              "preset.dispatchEvent(new Event('change')); return {...minicnn.bench.operator};")
    kernel = opened.run(choose, "sharpen")["kernel"]
    assert opened.run(choose, "median")["kind"] == "median"
    found = opened.run(choose, "own")
    assert (found["kind"], found["kernel"]) == ("kernel", kernel)
    opened.run("minicnn.bench.look(20.5, 17.9)")
    opened.settle()
    assert opened.text("bench-sum").endswith(": row 20, column 17 of the result.")


def test_padding_offers_the_domains_that_fit(opened):
    opened.go(3, 5, 5, "kernel")
    opened.run("minicnn.bench.choosePreset('identity')")
    for padding, free in (("circular", ["torus"]), ("zeros", ["torus", "plane", "window"]), ("none", ["window"])):
        opened.run("const padding = document.getElementById('bench-padding'); padding.value = arguments[0];"
                   "padding.dispatchEvent(new Event('change'));", padding)
        assert opened.run("return [...document.getElementById('bench-domain').options].filter("
                          "(option) => !option.disabled).map((option) => option.value)") == free
