import contextlib
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_fer.config import WebConfig
from edge_fer.control import Wish
from edge_fer.password import hash_password, make_token
from edge_fer.web import LivePage, PageError
from edge_fer.web.access import (
    LONGEST_BODY_B,
    MOST_FAILURES,
    MOST_FAILURES_IN_ALL,
    MOST_SESSIONS,
    SESSION_S,
    WINDOW_S,
    Sessions,
    Throttle,
)
from edge_fer.web.listener import MOST_CONNECTIONS
from tests.clocks import Clock

PASSWORD = "correct horse"  # noqa: S105
HASH = hash_password(PASSWORD)
TOKEN, TOKEN_HASH = make_token()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def asked() -> list[Wish]:
    return []


@pytest.fixture
def page(clock: Clock, asked: list[Wish]) -> Iterator[LivePage]:
    """A page that is open to the network, with a password and a token."""
    settings = {"host": "0.0.0.0", "port": 0, "names": ["Kitchen.lan"]}  # noqa: S104
    web = WebConfig.model_validate({**settings, "password_hash": HASH, "token_hash": TOKEN_HASH})
    page = LivePage(web, ask=asked.append, clock=clock)
    page.start()
    yield page
    page.close()


@pytest.fixture
def client(page: LivePage) -> Iterator[httpx.Client]:
    port = httpx.URL(page.address).port
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as client:
        yield client


def log_in(client: httpx.Client, password: str = PASSWORD) -> httpx.Response:
    return client.post("/api/login", json={"password": password})


@pytest.mark.parametrize("path", ["/api/state", "/api/events", "/api/session", "/picture.jpg", "/nothing"])
def test_strangers_see_nothing(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 401
    assert answer.json() == {"error": "Log in first, or send the token."}
    assert client.post("/api/commands/stop").status_code == 401


def test_strangers_are_led_to_the_door(client: httpx.Client) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    for path in ("/login", "/login.js", "/strings.js", "/style.css", "/icon.svg"):
        assert client.get(path).status_code == 200
    assert client.get("/healthz").status_code == 503


def test_the_password_opens_a_session_until_it_is_closed(client: httpx.Client, asked: list[Wish]) -> None:
    answer = log_in(client)
    assert answer.status_code == 204
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith(f"edge-fer-{client.base_url.port}=")
    assert sorted(attributes) == ["HttpOnly", f"Max-Age={SESSION_S}", "Path=/", "SameSite=strict"]
    assert client.get("/").status_code == 200
    session = client.get("/api/session").json()
    assert session["locked"] is True
    assert client.post("/api/commands/pause").status_code == 403
    assert client.post("/api/commands/pause", headers={"x-edge-fer-token": session["token"]}).status_code == 202
    assert asked == [Wish.PAUSE]
    cookie = client.cookies.get(f"edge-fer-{client.base_url.port}")
    assert client.post("/api/logout").status_code == 204
    assert dict(client.cookies) == {}
    assert client.get("/api/state", headers={"cookie": f"edge-fer-{client.base_url.port}={cookie}"}).status_code == 401


def test_a_session_ends_by_itself(client: httpx.Client, clock: Clock) -> None:
    log_in(client)
    clock.now_s += SESSION_S - 1
    assert client.get("/api/state").status_code == 200
    clock.now_s += 1
    assert client.get("/api/state").status_code == 401


def test_another_site_cannot_log_somebody_in(client: httpx.Client) -> None:
    answer = client.post("/api/login", json={"password": PASSWORD}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_guessing_is_slow(client: httpx.Client, clock: Clock) -> None:
    for _ in range(MOST_FAILURES):
        answer = log_in(client, "wrong horse")
        assert (answer.status_code, answer.json()) == (403, {"error": "This is not the password."})
    answer = log_in(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "61")
    assert answer.json() == {"error": "Too many wrong passwords; wait a minute."}
    clock.now_s += WINDOW_S
    assert log_in(client).status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'"x"',
        b'{"password": 3}',
        b'{"password": null}',
        b'{"password": "\\ud800"}',
        b"\xff",
        b"[" * 100_000,
        json.dumps({"password": "x" * LONGEST_BODY_B}).encode(),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_nonsense_is_no_password(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/login", content=body)
    assert (answer.status_code, answer.json()) == (400, {"error": 'Send {"password": "…"} as JSON.'})


def test_the_token_lets_scripts_in(client: httpx.Client, asked: list[Wish]) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert client.get("/api/state", headers=headers).status_code == 200
    assert client.post("/api/commands/stop", headers=headers).status_code == 202
    assert asked == [Wish.STOP]
    for wrong in ("Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {PASSWORD}", TOKEN):
        assert client.get("/api/state", headers={"authorization": wrong}).status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("192.168.1.9:8080", 303),
        ("[fe80::1]:8080", 303),
        ("kitchen.lan", 303),
        ("localhost", 303),
        ("evil.example", 421),
        ("192.168.1.9.evil.example", 421),
    ],
)
def test_names_that_could_be_somebody_elses_are_refused(client: httpx.Client, host: str, status: int) -> None:
    assert client.get("/", headers={"host": host}).status_code == status


def test_the_throttle_counts_per_address_and_in_all(clock: Clock) -> None:
    throttle = Throttle(clock)
    for last in range(MOST_FAILURES):
        assert throttle.wait_s("2001:db8::1") == 0
        throttle.count(f"2001:db8::{last:x}")  # one customer has them all
    assert throttle.wait_s("2001:db8::ffff") == WINDOW_S
    assert throttle.wait_s("2001:db8:0:1::1") == 0
    for last in range(MOST_FAILURES_IN_ALL - MOST_FAILURES):
        throttle.count(f"10.0.0.{last}")
        clock.now_s += 1
    assert throttle.wait_s("192.168.1.1") == WINDOW_S - (MOST_FAILURES_IN_ALL - MOST_FAILURES)
    throttle.forgive("10.0.0.3")
    assert throttle.wait_s("192.168.1.1") == 0
    clock.now_s += WINDOW_S
    assert throttle.wait_s("2001:db8::1") == 0


def test_sessions_are_forgotten_oldest_first(clock: Clock) -> None:
    sessions = Sessions(clock)
    identities = [sessions.open() for _ in range(MOST_SESSIONS + 1)]
    assert len(set(identities)) == MOST_SESSIONS + 1
    assert [sessions.holds(identity) for identity in (*identities[:2], identities[-1])] == [False, True, True]
    sessions.close(identities[1])
    sessions.close("never opened")
    assert not sessions.holds(identities[1])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    files = {"cert_file": folder / "cert.pem", "key_file": folder / "key.pem"}
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-keyout", files["key_file"], "-out", files["cert_file"], *subject],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_with_a_certificate_everything_is_encrypted(certificate: dict[str, Path]) -> None:
    page = LivePage(WebConfig.model_validate({"port": 0, "password_hash": HASH, **certificate}), ask=print)
    page.start()
    trust = ssl.create_default_context(cafile=str(certificate["cert_file"]))
    with httpx.Client(base_url=page.address, verify=trust, trust_env=False) as client:
        answer = log_in(client)
        assert "Secure" in answer.headers["set-cookie"]
        assert client.get("/api/state").status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(page.address.replace("https", "http"), trust_env=False)
    page.close()


def test_connections_are_counted_before_they_agree_on_encryption(certificate: dict[str, Path]) -> None:
    page = LivePage(WebConfig.model_validate({"port": 0, **certificate}), ask=print)
    page.start()
    url = httpx.URL(page.address)
    with contextlib.ExitStack() as silent:
        for _ in range(MOST_CONNECTIONS):
            silent.enter_context(socket.create_connection((url.host, url.port or 0)))
        with socket.create_connection((url.host, url.port or 0)) as one_too_many:
            one_too_many.settimeout(10)
            assert one_too_many.recv(1) == b""
    page.close()


def test_a_certificate_that_cannot_be_used_is_said_in_one_sentence(
    certificate: dict[str, Path], tmp_path: Path
) -> None:
    def start(**files: Any) -> str:
        with pytest.raises(PageError) as caught:
            LivePage(WebConfig.model_validate({"port": 0, **files}), ask=print).start()
        return str(caught.value)

    right = "give a certificate and its private key, both PEM, without a passphrase"
    missing = certificate | {"key_file": Path("missing.pem")}
    cert = certificate["cert_file"]
    assert start(**missing) == (
        f"the live page: {cert} and missing.pem cannot be used: No such file or directory; {right}"
    )
    key = certificate["key_file"]
    assert start(cert_file=cert, key_file=cert).endswith(f" cannot be used: {cert} holds no private key; {right}")
    assert start(cert_file=key, key_file=cert).endswith(f" cannot be used: {key} holds no certificate; {right}")
    other, locked, cut = (tmp_path / name for name in ("other.pem", "locked.pem", "cut.pem"))
    openssl = str(shutil.which("openssl"))
    curve = ["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    for options in (["-out", str(other)], ["-aes256", "-pass", "pass:secret", "-out", str(locked)]):
        subprocess.run([openssl, "genpkey", *curve, *options], check=True, capture_output=True)
    cut.write_bytes(key.read_bytes()[:120])
    assert start(cert_file=cert, key_file=other).endswith(f" cannot be used: they do not belong together; {right}")
    assert start(cert_file=cert, key_file=locked).endswith(f" cannot be used: {locked} has a passphrase; {right}")
    assert start(cert_file=cert, key_file=cut).endswith(f" cannot be used: one of them is damaged; {right}")
