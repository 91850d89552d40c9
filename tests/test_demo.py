"""`edge-fer demo` as a newcomer meets it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytest.importorskip("matplotlib", reason="the demo clip is made from a photo in matplotlib")
pytestmark = pytest.mark.real


@pytest.mark.parametrize("desktop", [True, False])
def test_it_prints_the_pages_address_and_opens_it_where_a_desktop_exists(tmp_path: Path, desktop: bool) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    environ = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environ |= {"BROWSER": str(browser)} | ({"DISPLAY": ":99"} if desktop else {})
    command = [sys.executable, "-m", "edge_fer", "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as demo:
        assert demo.stdout is not None
        address = next(line.split()[1] for line in demo.stdout if line.startswith("page "))
        deadline_s = time.monotonic() + 30
        while not (state := read_state(address)).get("size"):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        assert state["pictures"] is True
        demo.send_signal(signal.SIGINT)
        demo.stdout.read()
    assert demo.returncode == 0
    assert (opened.read_text().strip() if opened.exists() else None) == (address if desktop else None)


def read_state(address: str) -> dict[str, object]:
    try:
        state: dict[str, object] = httpx.get(f"{address}api/state", trust_env=False).json()
    except httpx.TransportError:
        return {}
    return state
