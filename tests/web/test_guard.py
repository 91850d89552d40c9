"""What every answer carries, and who gets none; the static files, which need nothing from elsewhere."""

import re
from collections.abc import Iterator
from importlib.resources import files

import httpx
import pytest

from edge_fer.config import WebConfig
from edge_fer.web import LivePage
from edge_fer.web.guard import SECURITY_HEADERS, host_name

STATIC = sorted(file.name for file in files("edge_fer.web").joinpath("static").iterdir())


@pytest.fixture(scope="module")
def quiet() -> Iterator[httpx.Client]:
    """A client of a page that hears no news, for tests that change nothing."""
    page = LivePage(WebConfig(port=0, pictures=True), ask=print)
    page.start()
    with httpx.Client(base_url=page.address, timeout=20, trust_env=False) as client:
        yield client
    page.close()


@pytest.mark.parametrize("name", STATIC)
def test_every_file_of_the_page_loads_under_the_policy(quiet: httpx.Client, name: str) -> None:
    answer = quiet.get({"index.html": "/", "login.html": "/login"}.get(name, name))
    assert answer.status_code == 200
    assert answer.content == files("edge_fer.web").joinpath("static", name).read_bytes()
    media_type = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].split(";")[0] == media_type[name.rpartition(".")[2]]
    assert SECURITY_HEADERS.items() <= answer.headers.items()


def test_the_page_needs_nothing_inline_and_nothing_from_outside() -> None:
    for page in ("index.html", "login.html"):
        text = files("edge_fer.web").joinpath("static", page).read_text()
        assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=", text) == []
    texts = {name: files("edge_fer.web").joinpath("static", name).read_text() for name in STATIC}
    addresses = {
        address for text in texts.values() for address in re.findall(r"(?:https?:)?//[\w.]+\.\w+/[^\"]*", text)
    }
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "script-src 'self';" in SECURITY_HEADERS["content-security-policy"]
    assert "unsafe" not in SECURITY_HEADERS["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/api/state", "/api/events", "/picture.jpg", "/healthz", "/nothing"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8080", "localhost.", "[::1", ""])
def test_foreign_hosts_are_refused(quiet: httpx.Client, path: str, host: str) -> None:
    answer = quiet.get(path, headers={"host": host})
    assert answer.status_code == 421
    assert answer.text == "This page answers only to these host names: 127.0.0.1, ::1, localhost.\n"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:1", "[::1]:8080"])
def test_our_own_names_are_answered(quiet: httpx.Client, host: str) -> None:
    assert quiet.get("/api/state", headers={"host": host}).status_code == 200


def test_a_host_name_is_read_as_browsers_write_it() -> None:
    assert [host_name(header) for header in ("A.b:80", "[::1]", "[::1", "")] == ["a.b", "::1", None, None]


def test_only_reading_is_allowed_and_only_what_there_is(quiet: httpx.Client) -> None:
    for path in ("/", "/api/state", "/api/events", "/picture.jpg"):
        assert quiet.post(path, content=b"x" * 1000).status_code == 405
    for path in ("/nothing", "/index.html", "/..%2f..%2fpyproject.toml", "/static/main.js"):
        answer = quiet.get(path)
        assert answer.status_code == 404
        assert SECURITY_HEADERS.items() <= answer.headers.items()
