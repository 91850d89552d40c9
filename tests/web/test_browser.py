"""The page in a real browser: Debian's Chromium, driven through its WebDriver."""

import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import numpy as np
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from edge_fer.config import WebConfig
from edge_fer.control import Wish
from edge_fer.password import hash_password
from edge_fer.records import LABELS, Frame, Reading
from edge_fer.web import LivePage, Status, Totals
from tests.conftest import require
from tests.web.conftest import condition, text, wait

pytestmark = pytest.mark.real

STATUS = Status(
    device="kitchen",
    fps=25.0,
    latency_ms={"detect": 9.5, "classify": 2.5},
    camera="pattern",
    camera_online=True,
    camera_error=None,
    paused=False,
    broker="localhost:1883",
    broker_online=False,
    model="emotion",
    detector="haar",
    temperature_c=51.5,
    totals=Totals(),
)
# Drawn to a canvas of our own: reading back from the page's would make the browser complain about the page.
PIXEL = (
    "const probe = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });"
    "probe.drawImage(document.querySelector('#picture'), 0, 0, 1, 1);"
    "return probe.getImageData(0, 0, 1, 1).data[0]"
)


@pytest.fixture
def asked() -> list[Wish]:
    """What the page's viewers asked for."""
    return []


@pytest.fixture
def page(asked: list[Wish]) -> Iterator[LivePage]:
    page = LivePage(WebConfig(port=0, pictures=True), ask=asked.append)
    page.start()
    yield page
    page.close()


def frame(gray: int) -> Frame:
    return Frame(np.full((240, 320), gray, np.uint8), time_s=0.0, index=gray)


def reading(track: int, emotion: str, box: tuple[float, float, float, float] = (0.25, 0.5, 0.25, 0.25)) -> Reading:
    scores = dict.fromkeys(LABELS, 0.02) | {emotion: 0.88}
    return Reading(0.0, track, emotion, 0.88, scores, box, 2.0)


def show_live(browser: WebDriver, page: LivePage, frame: Frame, readings: list[Reading]) -> None:
    """Updates like an inference loop does, until the browser says that it is up to date."""

    def live() -> bool:
        page.update(frame, readings, STATUS)
        return condition(browser) == "live"

    wait(browser, live)


def bar(browser: WebDriver, emotion: str) -> tuple[int, float]:
    """What a bar says to a screen reader, and the width that it has by now, both in percent."""
    value, clip = browser.execute_script(
        "const bar = document.querySelector(`.bar[data-emotion=${arguments[0]}]`);"
        "const clip = getComputedStyle(bar.querySelector('.bar-fill')).clipPath;"
        "return [bar.querySelector('[role=meter]').ariaValueNow, clip]",
        emotion,
    )
    # inset(0px calc(100% - 88%) 0px 0px round …), or with the difference worked out
    width = clip.split("calc(100% - ")[1].split("%")[0] if "calc" in clip else 100 - float(clip.split()[1].rstrip("%"))
    return int(value), float(width)


def test_the_page_follows_the_daemon(browser: WebDriver, page: LivePage) -> None:
    browser.get("about:blank")
    browser.get_log("browser")  # type: ignore[no-untyped-call]  # what earlier tests left
    browser.get(page.address)
    wait(browser, lambda: condition(browser) == "starting")

    show_live(browser, page, frame(60), [reading(3, "happy")])
    wait(browser, lambda: abs(browser.execute_script(PIXEL) - 60) <= 1)
    wait(browser, lambda: text(browser, ".box") == "#3Happy88%")
    assert browser.title == "kitchen · edge-fer"
    assert (text(browser, "#faces-title"), text(browser, ".card-emotion")) == ("1 face", "Happy")
    wait(browser, lambda: bar(browser, "happy") == (88, 88))
    box, canvas = (
        browser.execute_script("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector)
        for selector in (".box", "#picture")
    )
    assert (box["x"] - canvas["x"]) / canvas["width"] == pytest.approx(0.25, abs=0.01)
    assert (box["y"] - canvas["y"]) / canvas["height"] == pytest.approx(0.5, abs=0.01)
    assert canvas["width"] / canvas["height"] == pytest.approx(320 / 240, rel=0.01)
    chips = browser.execute_script("return [...document.querySelectorAll('.chip')].map((chip) => chip.textContent)")
    assert chips == ["Camerapatternonline", "Modelemotion", "Brokerlocalhost:1883lost", "Detectorhaar"]
    assert text(browser, "#speed") == "25.0FPS12 msLatency52 °CProcessordetect9.5 msclassify2.5 ms"

    page.update(frame(200), [reading(3, "sad"), reading(4, "fear", (0.8, 0.0, 0.2, 0.2))], STATUS)
    wait(browser, lambda: abs(browser.execute_script(PIXEL) - 200) <= 1)
    wait(browser, lambda: bar(browser, "sad") == (88, 88) and bar(browser, "happy") == (2, 2))
    tracks = browser.execute_script("return [...document.querySelectorAll('.card')].map((card) => card.dataset.track)")
    assert tracks == ["3", "4"]

    page.update(frame(120), [], STATUS)
    wait(browser, lambda: abs(browser.execute_script(PIXEL) - 120) <= 1)
    assert text(browser, "#boxes") == ""
    assert text(browser, ".card.gone .card-since") == "gone"
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in log if entry["level"] in ("SEVERE", "WARNING")] == []

    wait(browser, lambda: condition(browser) == "stalled")
    assert text(browser, "#condition") == "No new picture"
    wait(browser, lambda: float(text(browser, "#age").removeprefix("last picture ").split()[0]) >= 3)

    page.update(None, [], replace(STATUS, camera_online=False, camera_error="the cable is out"))
    wait(browser, lambda: condition(browser) == "camera")
    assert text(browser, "#hint") == "the cable is out"


def test_the_page_comes_back_with_the_daemon(browser: WebDriver, page: LivePage) -> None:
    browser.get(page.address)
    show_live(browser, page, frame(60), [reading(9, "happy")])
    page.close()
    wait(browser, lambda: condition(browser) == "stopped")
    successor = LivePage(WebConfig(port=httpx.URL(page.address).port or 0, pictures=True), ask=print)
    successor.start()
    successor.update(frame(200), [reading(1, "neutral")], STATUS)
    wait(browser, lambda: abs(browser.execute_script(PIXEL) - 200) <= 1)
    assert text(browser, ".card-name") == "Face 1"
    successor.close()


@pytest.mark.parametrize("width_px", [320, 390, 768, 1280, 1920])
def test_the_page_fits_every_width(browser: WebDriver, page: LivePage, width_px: int) -> None:
    metrics = {"width": width_px, "height": 800, "deviceScaleFactor": 1, "mobile": width_px < 700}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    readings = [reading(track, "surprise", (track / 4, 0.0, 0.25, 0.3)) for track in range(4)]
    page.update(frame(90), readings, STATUS)
    browser.get(page.address)
    wait(browser, lambda: text(browser, "#faces-title") == "4 faces")
    overflow = browser.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow == 0


PAUSED = replace(STATUS, camera_online=False, paused=True)
FOCUSED = "return document.activeElement.textContent"


def press(browser: WebDriver, key: str) -> None:
    ActionChains(browser).send_keys(key).perform()


def tab_to(browser: WebDriver, name: str) -> None:
    """Moves the focus by keyboard alone."""
    for _ in range(20):
        if browser.execute_script(FOCUSED) == name:
            return
        press(browser, Keys.TAB)
    pytest.fail(f"{name} is not reached with the tab key")


def test_pause_and_resume_by_keyboard(browser: WebDriver, page: LivePage, asked: list[Wish]) -> None:
    browser.get(page.address)
    show_live(browser, page, frame(60), [reading(1, "happy")])
    tab_to(browser, "Pause")
    press(browser, Keys.ENTER)
    wait(browser, lambda: asked == [Wish.PAUSE])
    page.update(None, [], PAUSED)
    wait(browser, lambda: condition(browser) == "paused")
    assert text(browser, "#condition") == "Paused"
    assert browser.execute_script("return document.querySelector('#picture').width") == 4
    tab_to(browser, "Resume")
    press(browser, Keys.SPACE)
    wait(browser, lambda: asked == [Wish.PAUSE, Wish.RESUME])
    page.update(None, [], replace(STATUS, camera_online=False))
    wait(browser, lambda: condition(browser) == "opening")
    show_live(browser, page, frame(60), [])
    assert text(browser, "#controls button") == "Pause"


def test_a_pause_from_elsewhere_is_shown(browser: WebDriver, page: LivePage) -> None:
    page.update(None, [], PAUSED)
    browser.get(page.address)
    wait(browser, lambda: condition(browser) == "paused")
    assert text(browser, "#controls button") == "Resume"


def test_stop_asks_first_and_says_how_to_come_back(browser: WebDriver, page: LivePage, asked: list[Wish]) -> None:
    browser.get(page.address)
    show_live(browser, page, frame(60), [])
    tab_to(browser, "Stop…")
    press(browser, Keys.ENTER)
    assert browser.execute_script(FOCUSED) == "Keep running"
    press(browser, Keys.ENTER)
    assert browser.execute_script("return document.querySelector('dialog').open") is False
    press(browser, Keys.ENTER)  # the focus came back to the button
    tab_to(browser, "Stop")
    assert asked == []
    press(browser, Keys.ENTER)
    wait(browser, lambda: asked == [Wish.STOP])
    page.close()
    wait(browser, lambda: condition(browser) == "stopped")
    assert "systemctl start edge-fer" in text(browser, "#hint")
    assert browser.execute_script("return [...document.querySelectorAll('#controls button')].every((b) => b.disabled)")


def test_a_password_opens_the_page_and_a_wrong_one_does_not(browser: WebDriver) -> None:
    web = WebConfig.model_validate({"port": 0, "password_hash": hash_password("correct horse")})
    page = LivePage(web, ask=print)
    page.start()
    page.update(frame(60), [reading(3, "sad")], STATUS)
    browser.get(page.address)
    wait(browser, lambda: text(browser, "h1") == "This page is locked")
    press(browser, "wrong horse" + Keys.ENTER)  # the field has the focus already
    wait(browser, lambda: text(browser, "#failure") == "This is not the password.")
    assert browser.current_url == f"{page.address}login"
    press(browser, "correct horse" + Keys.ENTER)  # over the wrong one, which is selected
    wait(browser, lambda: text(browser, ".card-emotion") == "Sad")
    assert browser.execute_script("return document.cookie") == ""
    successor = LivePage(web.model_copy(update={"port": httpx.URL(page.address).port}), ask=print)
    page.close()
    successor.start()  # sessions end with the daemon
    wait(browser, lambda: text(browser, "h1") == "This page is locked")
    press(browser, "correct horse" + Keys.ENTER)
    wait(browser, lambda: text(browser, "h1").startswith("edge-fer"))
    sign_out = browser.find_element(By.ID, "sign-out")
    wait(browser, sign_out.is_displayed)
    sign_out.click()
    wait(browser, lambda: text(browser, "h1") == "This page is locked")
    successor.close()


def test_with_pictures_off_only_outlines_are_shown(browser: WebDriver) -> None:
    page = LivePage(WebConfig(port=0), ask=print)
    page.start()
    page.update(frame(60), [reading(3, "sad")], STATUS)
    browser.get(page.address)
    show_live(browser, page, frame(60), [reading(3, "sad")])
    wait(browser, lambda: text(browser, ".box") == "#3Sad88%")
    shown = "return ['#privacy', 'a.control'].map((one) => document.querySelector(one).checkVisibility())"
    assert browser.execute_script(shown) == [True, False]
    asked_for = "return performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)"
    assert "/picture.jpg" not in browser.execute_script(asked_for)
    page.close()


def timeline_s(browser: WebDriver) -> float:
    """How far back the first face's timeline reaches."""
    outline = browser.execute_script("return document.querySelector('.timeline-plot path')?.getAttribute('d') ?? ''")
    return 180 - min((float(x) for x in re.findall(r"[ML]([\d.]+) ", outline)), default=180)


def test_a_reload_keeps_the_timeline(browser: WebDriver) -> None:
    """The daemon's clock runs ahead of ours, so that a minute passes at once."""
    ahead_s = 0.0
    page = LivePage(WebConfig(port=0), ask=print, clock=lambda: time.monotonic() + ahead_s)
    page.start()
    for _ in range(60):
        page.update(frame(60), [reading(3, "sad")], STATUS)
        ahead_s += 1
    page.update(frame(60), [reading(3, "sad")], STATUS)
    for _ in range(2):
        browser.get(page.address)
        wait(browser, lambda: 59 < timeline_s(browser) < 70)
    page.close()


AXE = "return axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations)"


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which finds what keeps people out."""
    folder = tmp_path_factory.mktemp("axe")
    command = [require("npm"), "install", "--prefix", str(folder), "--silent", "--no-audit", "--no-fund", "axe-core@4"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("scene", ["faces", "nobody", "paused", "private", "dialog", "login"])
def test_nobody_is_kept_out(browser: WebDriver, axe: str, scene: str, theme: str) -> None:
    settings: dict[str, object] = {"port": 0, "pictures": scene != "private"}
    if scene == "login":
        settings["password_hash"] = hash_password("correct horse")
    page = LivePage(WebConfig.model_validate(settings), ask=print)
    page.start()
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {
            "features": [
                {"name": "prefers-color-scheme", "value": theme},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ]
        },
    )
    faces = [] if scene in ("nobody", "login") else [reading(1, "happy"), reading(2, "uncertain", (0.6, 0.2, 0.2, 0.3))]
    browser.get(page.address)
    if scene == "paused":
        page.update(None, [], PAUSED)
        wait(browser, lambda: condition(browser) == "paused")
    elif scene != "login":
        show_live(browser, page, frame(60), faces)
    if scene == "dialog":
        browser.find_element(By.CSS_SELECTOR, ".control-stop").click()
    browser.execute_script(axe)
    if scene in ("faces", "nobody", "private"):
        show_live(browser, page, frame(60), faces)
    found = browser.execute_script(AXE)
    assert [(one["id"], node["html"]) for one in found for node in one["nodes"]] == []
    page.close()
