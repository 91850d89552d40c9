"""The page of a running daemon, in a real browser."""

import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By

from tests.conftest import free_port
from tests.web.conftest import condition, text, wait

pytestmark = pytest.mark.real

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"
PICTURE = "return document.querySelector('#picture').dataset.seq + document.querySelector('#picture').toDataURL()"
SHOWN = (
    "const at = (what) => [...document.querySelectorAll(what)];"
    "const bars = at('[role=meter]').map((one) => one.ariaValueNow);"
    "return [bars, at('.timeline-plot path').map((one) => one.getAttribute('d'))]"
)


class Daemon:
    """`edge-fer run` with the page on a port that it keeps when it is started again."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.address = f"http://127.0.0.1:{free_port()}/"
        web = {"enabled": True, "port": httpx.URL(self.address).port, "pictures": True}
        self._config = folder / "edge-fer.yaml"
        self._log = folder / "log"
        self._environ = {**os.environ, "EDGE_FER_MODELS": str(folder)}
        self._config.write_text(
            yaml.safe_dump({"device": "test", "model": str(TINY), "mqtt": {"enabled": False}, "web": web, **settings})
        )
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "edge_fer", "run", "--config", str(self._config)]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log, env=self._environ)
        deadline_s = time.monotonic() + 20
        while self.address not in self._log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"the page is not served: {self._log.read_text()}")
            time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def state(self) -> Any:
        return httpx.get(f"{self.address}api/state", trust_env=False).json()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    with ExitStack() as stack:

        def start(**settings: Any) -> Daemon:
            daemon = Daemon(tmp_path, **settings)
            stack.callback(daemon.kill)
            return daemon

        yield start


def test_pause_resume_stop_and_a_new_start(browser: WebDriver, run: Callable[..., Daemon]) -> None:
    daemon = run(camera={"source": "pattern"})
    browser.get(daemon.address)
    wait(browser, lambda: condition(browser) == "live")
    pause, stop = browser.find_elements(By.CSS_SELECTOR, "#controls button")
    pause.click()
    wait(browser, lambda: condition(browser) == "paused")
    assert daemon.state()["status"]["paused"] is True
    wait(browser, lambda: pause.text == "Resume" and pause.is_enabled())
    pause.click()
    wait(browser, lambda: condition(browser) == "live")
    wait(browser, stop.is_enabled)
    stop.click()
    browser.find_element(By.CSS_SELECTOR, "dialog .control-danger").click()
    assert daemon.process.wait(10) == 0
    wait(browser, lambda: condition(browser) == "stopped")
    daemon.start()
    wait(browser, lambda: condition(browser) == "live")


def test_the_page_comes_back_after_a_crash(browser: WebDriver, run: Callable[..., Daemon]) -> None:
    daemon = run(camera={"source": "pattern"})
    browser.get(daemon.address)
    wait(browser, lambda: condition(browser) == "live")
    run_before = daemon.state()["run"]
    daemon.kill()
    wait(browser, lambda: condition(browser) == "lost")
    daemon.start()
    wait(browser, lambda: condition(browser) == "live")
    assert daemon.state()["run"] != run_before


def test_attackers_do_not_hold_up_the_camera(run: Callable[..., Daemon]) -> None:
    """Three hundred at once, with half a request each or nonsense, for two seconds."""
    daemon = run(camera={"source": "pattern", "fps": 10})
    url = httpx.URL(daemon.address)
    rng = random.Random(7)  # noqa: S311
    with httpx.Client(base_url=daemon.address, trust_env=False) as viewer, ExitStack() as attackers:
        while not viewer.get("api/state").json()["size"]:
            time.sleep(0.02)
        before = viewer.get("api/state").json()["seq"]
        for number in range(300):
            attacker = attackers.enter_context(socket.create_connection((url.host, url.port or 0)))
            with suppress(OSError):
                attacker.sendall(rng.randbytes(3000) if number % 2 else b"GET / HTTP/1.1\r\nX-A: ")
        ages_s = []
        for _ in range(20):
            time.sleep(0.1)
            ages_s.append(viewer.get("api/state").json()["age_s"])
        after = viewer.get("api/state").json()["seq"]
    assert max(ages_s) < 1
    assert after - before >= 10


@pytest.mark.data
def test_picture_bars_and_timeline_follow_a_clip(browser: WebDriver, run: Callable[..., Daemon], data: Path) -> None:
    daemon = run(
        camera={"source": str(data / "clips" / "asl" / "again.mkv"), "loop": True},
        detector={"kind": "yunet", "model": str(data / "models" / "face_detection_yunet_2023mar.onnx")},
    )
    browser.get(daemon.address)
    wait(browser, lambda: re.fullmatch(r"1 face", text(browser, "#faces-title")))
    picture, shown = browser.execute_script(PICTURE), browser.execute_script(SHOWN)
    wait(browser, lambda: browser.execute_script(PICTURE) != picture)
    wait(browser, lambda: all(a != b for a, b in zip(browser.execute_script(SHOWN), shown, strict=True)))
    assert len(shown[0]) == len(shown[1]) == 7


def test_ten_viewers_see_the_same_and_share_the_pictures(browser: WebDriver, run: Callable[..., Daemon]) -> None:
    daemon = run(camera={"source": "pattern"})
    seen: list[list[int]] = [[] for _ in range(9)]
    over = threading.Event()

    def look(numbers: list[int]) -> None:
        """As the page does: a picture for every new state."""
        with (
            httpx.Client(base_url=daemon.address, trust_env=False) as client,
            client.stream("GET", "api/events") as states,
        ):
            for line in states.iter_lines():
                if over.is_set():
                    return
                if line.startswith("data: ") and client.get("picture.jpg").status_code == 200:
                    numbers.append(json.loads(line.removeprefix("data: "))["seq"])

    viewers = [threading.Thread(target=look, args=(numbers,)) for numbers in seen]
    for viewer in viewers:
        viewer.start()
    browser.get(daemon.address)
    wait(browser, lambda: condition(browser) == "live")
    time.sleep(2)  # what is measured is a rate
    over.set()
    for viewer in viewers:
        viewer.join()
    assert condition(browser) == "live"
    assert min(map(len, seen)) >= 5
    metrics = httpx.get(f"{daemon.address}metrics", trust_env=False).text
    encoded = int(float(re.findall(r"^edge_fer_pictures_encoded_total (\S+)$", metrics, re.MULTILINE)[0]))
    assert encoded <= daemon.state()["seq"]
    assert encoded < sum(map(len, seen)) / 3
