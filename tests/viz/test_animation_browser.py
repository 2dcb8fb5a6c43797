"""The page of an animation in a real browser: it plays, stops, and does not play if the user wants less motion."""

import numpy as np
import pytest

from minicnn import viz
from tests.viz.test_animation import scene

FRAMES = 5


@pytest.fixture(scope="module")
def animation(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("animation") / "a.html", np.random.default_rng(0)
    shown = scene(rng, FRAMES)
    shown.labels = np.arange(FRAMES)
    viz.write_animation(path, shown, fps=20)
    return path


@pytest.fixture(params=["no-preference", "reduce"])
def opened(request, browser, animation):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                            {"features": [{"name": "prefers-reduced-motion", "value": request.param}]})
    browser.get(animation.as_uri())
    yield browser, request.param == "reduce"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def state(browser):
    """(frame, caption, word on the button, width of the picture)."""
    return browser.execute_script(
        "const slider = document.getElementById('frame'), picture = document.getElementById('picture');"
        "return [Number(slider.value), slider.getAttribute('aria-valuetext'),"
        "document.getElementById('play').textContent, picture.complete && picture.naturalWidth]")


def test_it_plays_unless_less_motion_is_wanted(opened):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait
    browser, reduced = opened
    button = browser.find_element(By.ID, "play")
    if reduced:
        assert state(browser)[:3] == [0, "0: 3 right", "play"]
        button.click()
    assert state(browser)[2] == "pause"
    seen = set()
    WebDriverWait(browser, 60, poll_frequency=0.02).until(
        lambda it: seen.add(state(it)[0]) or seen == set(range(FRAMES)))
    button.click()
    stopped = state(browser)
    assert stopped[2] == "play"


def test_each_frame_can_be_chosen_and_is_a_whole_picture(opened):
    browser, _ = opened
    for number in range(FRAMES):
        browser.execute_async_script(
            "const [number, done] = arguments, slider = document.getElementById('frame');"
            "const picture = document.getElementById('picture');"
            "slider.value = number; slider.dispatchEvent(new Event('input')); picture.decode().then(() => done());",
            number)
        down = f"{number} down, " if number else ""
        assert state(browser) == [number, f"{number}: {down}3 right", "play", 1280]


def test_every_control_has_a_name(opened):
    browser, _ = opened
    assert browser.execute_script(
        "return [...document.querySelectorAll('button, input, img')].filter((one) => !(one.alt || one.labels?.length"
        "|| one.textContent.trim())).map((one) => one.outerHTML)") == []
