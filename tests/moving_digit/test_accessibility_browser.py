"""The page for readers who do not see it well: axe-core finds nothing in any panel, light or dark, wide or narrow."""

import pytest


@pytest.fixture
def axe(opened):
    """A function: the violations that axe-core finds in the open page, as (rule, elements)."""
    found = pytest.importorskip("axe_core_python.selenium", reason="pip install axe-core-python").Axe()

    def run():
        violations = found.run(opened.browser)["violations"]
        return [(one["id"], [node["target"] for node in one["nodes"]]) for one in violations]
    return run


@pytest.mark.parametrize("width", [1440, 375])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing(opened, axe, width, dark):
    opened.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                   {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False})
    if dark:
        opened.run("document.getElementById('theme').click()")
    for tab in opened.run("return Object.keys(minicnn.byTab)"):
        opened.run("minicnn.chooseTab(arguments[0])", tab)
        opened.settle()
        assert axe() == [], tab


def test_axe_finds_what_is_wrong(opened, axe):
    opened.run("document.getElementById('picture').removeAttribute('aria-hidden');"
               "document.querySelector('#undo').textContent = ''")
    assert "button-name" in [rule for rule, _ in axe()]
