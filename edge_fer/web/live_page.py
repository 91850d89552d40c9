"""The live page as the daemon holds it: one thread of its own that serves browsers, and a mailbox before it."""

import errno
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge_fer.config import WebConfig
from edge_fer.control import Wish
from edge_fer.errors import EdgeFerError
from edge_fer.records import Frame, Reading
from edge_fer.web.feed import Clock, Encoder, Feed, Status
from edge_fer.web.listener import Listener

if TYPE_CHECKING:
    from uvicorn import Server

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - recognized, not bound to

_log = logging.getLogger(__name__)


class PageError(EdgeFerError):
    """The live page cannot be served."""


def check_certificate(settings: WebConfig) -> bool:
    """Whether there is one.

    Raises:
        PageError: it cannot be used.
    """
    cert_file, key_file = settings.cert_file, settings.key_file
    if cert_file is None or key_file is None:
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        reason: object = _misfit(cert_file, key_file, error)
    except OSError as error:
        reason = error.strerror or error
    else:
        return True
    raise PageError(
        f"the live page: {cert_file} and {key_file} cannot be used: {reason}; "
        "give a certificate and its private key, both PEM, without a passphrase"
    )


def _misfit(cert_file: Path, key_file: Path, error: ssl.SSLError) -> str:
    """What is wrong with two files that OpenSSL refuses; its own reason seldom says which of them it means."""
    if b"CERTIFICATE-----" not in cert_file.read_bytes():
        return f"{cert_file} holds no certificate"
    key = key_file.read_bytes()
    if b"PRIVATE KEY-----" not in key:
        return f"{key_file} holds no private key"
    if b"ENCRYPTED" in key:
        return f"{key_file} has a passphrase"
    if error.reason == "KEY_VALUES_MISMATCH":
        return "they do not belong together"
    return "one of them is damaged"


def _encode_with_opencv(frame: Frame) -> bytes:
    from edge_fer.web.jpeg import encode_jpeg  # noqa: PLC0415 - OpenCV is slow to import

    return encode_jpeg(frame)


class LivePage:
    """Serves the page between `start` and `close`.

    Args:
        settings: where and what to serve.
        ask: takes what viewers ask of the daemon, on the page's thread.
        encode: makes a frame a JPEG file, on the page's thread, if the settings allow pictures at all; the default
            does it with OpenCV.
        clock: monotonic seconds.

    Attributes:
        port: where it listens; once it is served never 0.
    """

    def __init__(
        self,
        settings: WebConfig,
        *,
        ask: Callable[[Wish], None],
        encode: Encoder = _encode_with_opencv,
        clock: Clock = time.monotonic,
    ) -> None:
        self._settings = settings
        self.port = settings.port
        self._clock = clock
        self._ask = ask
        self._feed = Feed(encode=encode if settings.pictures else None, clock=clock)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def address(self) -> str:
        """The page's URL, as a person may type it."""
        scheme = "http" if self._settings.cert_file is None else "https"
        host = socket.gethostname() if self._settings.host in EVERYWHERE else self._settings.host
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def start(self) -> None:
        """Listen and serve; returns when browsers can connect.

        Raises:
            PageError: the extra `[web]` is not installed, or the port cannot be had.
        """
        try:
            # An optional extra, and slow to import.
            from edge_fer.web.access import Access  # noqa: PLC0415
            from edge_fer.web.app import make_app  # noqa: PLC0415
            from edge_fer.web.guard import Hosts  # noqa: PLC0415
            from edge_fer.web.server import make_server  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise PageError(
                f"the live page needs {error.name}, which is not installed; run `pip install 'edge-fer[web]'`, "
                "or set web.enabled to false"
            ) from None
        web = self._settings
        encrypted = check_certificate(web)
        listener = self._listen()
        self.port = listener.getsockname()[1]
        access = Access(
            password_hash=web.password_hash.get_secret_value() if web.password_hash else None,
            token_hash=web.token_hash.get_secret_value() if web.token_hash else None,
            cookie=f"edge-fer-{self.port}",
            secure=encrypted,
            clock=self._clock,
        )
        names = {*LOOPBACK_NAMES, web.host, *web.names}
        if not web.for_this_machine:
            names |= {socket.gethostname(), f"{socket.gethostname()}.local"}
        app = make_app(self._feed, ask=self._ask, access=access, hosts=Hosts(names, addresses=not web.for_this_machine))
        self._server = make_server(app, self._feed, cert_file=web.cert_file, key_file=web.key_file)
        self._thread = threading.Thread(
            target=self._serve, args=(self._server, listener), name="live-page", daemon=True
        )
        self._thread.start()
        _log.info("live page: %s", self.address)
        if not (web.for_this_machine or encrypted):
            _log.warning("The live page's password travels unencrypted: set web.cert_file and web.key_file")

    def update(self, frame: Frame | None, readings: Sequence[Reading], status: Status) -> None:
        """Show this from now on; costs microseconds, whoever looks or hangs.

        Args:
            frame: the newest picture; its `colour` is called later, on the page's thread. None while the camera is
                lost: the last picture stays, with its age.
            readings: every face in it.
            status: how the daemon is doing.

        Raises:
            RuntimeError: the page's thread died of a bug.
        """
        if self._failure is not None:
            raise RuntimeError("the live page's thread died") from self._failure
        self._feed.put(frame, readings, status)

    def close(self) -> None:
        """Say goodbye to all viewers, cut them off and give the port back, within a second; may be called twice."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._server = self._thread = None

    def _listen(self) -> socket.socket:
        host = self._settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            return Listener(socket.create_server((host, self.port), family=family))
        except OSError as error:
            place = f"port {self.port} on {host}"
            if error.errno == errno.EADDRINUSE:
                raise PageError(
                    f"the live page: {place} is taken by another program; set web.port to a free one"
                ) from None
            if error.errno == errno.EACCES:
                raise PageError(f"the live page: {place} is reserved for root; set web.port to 1024 or more") from None
            raise PageError(f"the live page: cannot listen at {place}: {error.strerror or error}") from None

    def _serve(self, server: "Server", listener: socket.socket) -> None:
        try:
            with listener:
                server.run(sockets=[listener])
        except BaseException as error:
            self._failure = error
            raise
