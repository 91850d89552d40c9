"""Commands of viewers, and of those who only seem to be."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from edge_fer.config import WebConfig
from edge_fer.control import Wish
from edge_fer.web import LivePage
from edge_fer.web.commands import COMMANDS, TOKEN_HEADER


@contextmanager
def client_of_a_page(ask: Callable[[Wish], None]) -> Iterator[httpx.Client]:
    page = LivePage(WebConfig(port=0), ask=ask)
    page.start()
    with httpx.Client(base_url=page.address, timeout=20, trust_env=False) as client:
        yield client
    page.close()


@pytest.fixture
def asked() -> list[Wish]:
    """What viewers asked for."""
    return []


@pytest.fixture
def commander(asked: list[Wish]) -> Iterator[httpx.Client]:
    with client_of_a_page(asked.append) as client:
        yield client


@pytest.fixture
def other() -> Iterator[httpx.Client]:
    with client_of_a_page(print) as client:
        yield client


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_reaches_the_loop_and_the_log(
    commander: httpx.Client, asked: list[Wish], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="edge_fer.web.commands")
    token = commander.get("/api/session").json()["token"]
    origin = str(commander.base_url).rstrip("/")
    headers = {TOKEN_HEADER: token, "origin": origin, "sec-fetch-site": "same-origin"}
    for sent in ({TOKEN_HEADER: token}, headers):
        answer = commander.post(f"/api/commands/{name}", headers=sent)
        assert (answer.status_code, answer.json()) == (202, {"command": name})
    assert asked == [COMMANDS[name]] * 2
    assert caplog.messages == [f"A viewer at 127.0.0.1 asks for {name}"] * 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({TOKEN_HEADER: ""}, 403),
        ({TOKEN_HEADER: "\u00fc" * 43}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "evil.example"}, 421),
    ],
)
def test_no_other_site_can_command(
    commander: httpx.Client, asked: list[Wish], headers: dict[str, str], status: int
) -> None:
    token = commander.get("/api/session").json()["token"]
    sent = {key: value.encode() for key, value in ({TOKEN_HEADER: token} | headers).items()}
    assert commander.post("/api/commands/stop", headers=sent).status_code == status
    assert asked == []


def test_what_is_no_command_is_refused(commander: httpx.Client, asked: list[Wish]) -> None:
    headers = {TOKEN_HEADER: commander.get("/api/session").json()["token"]}
    answer = commander.post("/api/commands/reload", headers=headers)
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "There is no such command; there are pause, resume, stop."},
    )
    assert commander.get("/api/commands/stop", headers=headers).status_code == 405
    assert commander.post("/api/commands/stop").json() == {
        "error": "The header x-edge-fer-token must hold the token of /api/session."
    }
    assert asked == []


def test_every_page_has_a_token_of_its_own(commander: httpx.Client, other: httpx.Client) -> None:
    tokens = [one.get("/api/session").json()["token"] for one in (commander, commander, other)]
    assert tokens[0] == tokens[1] != tokens[2]
