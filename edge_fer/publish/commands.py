"""What others ask of the device on its `command` topic, and the answers.

A command is checked here, on the network thread, and handed to the daemon's loop, which does what it says and
answers. Whatever stands in a message, the worst it can do is to be refused.
"""

import logging
import time
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge_fer.config import RateHz, Seconds
from edge_fer.control import Request
from edge_fer.publish import payloads
from edge_fer.publish.outbox import Message
from edge_fer.publish.reports import DeviceState
from edge_fer.publish.transport import Received

_log = logging.getLogger(__name__)

_MAX_BYTES: Final = 1024
_BURST: Final = 10
_PER_S: Final = 2.0
"""So many commands at once, and per second from then on: a loop elsewhere must not keep the device busy."""
_ANSWER_TTL_S: Final = 10.0
"""Who asked has given up by then."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Settings(_Strict):
    """What may be set while the daemon runs: until its next start or reload, and never in a file."""

    heartbeat_s: Seconds | None = None
    rate_hz: RateHz | None = None
    health_s: Seconds | None = None


class Command(_Strict):
    """A checked command; the schema `command` describes it to others."""

    command: Literal["pause", "resume", "status", "publish", "set"]
    values: Annotated[Settings, Field()] | None = None

    @model_validator(mode="after")
    def _values_for_set_alone(self) -> "Command":
        if self.command == "set" and not (self.values and self.values.model_fields_set):
            raise ValueError(f"set needs values; known are {', '.join(Settings.model_fields)}")
        if self.command != "set" and self.values is not None:
            raise ValueError(f"{self.command} takes no values")
        return self


class Commands:
    """Hears the commands of one device; `hear` is called on the network thread.

    Args:
        base: the device's topic.
        post: takes the answers.
        ask: takes what the loop shall do.
        clock: monotonic seconds.
        wall_clock: seconds since the epoch.
    """

    def __init__(
        self,
        *,
        base: str,
        post: Callable[[Message], None],
        ask: Callable[[Request], None],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.topic = f"{base}/command"
        self.refused = 0
        """Commands that were not carried out: not understood, too many, or retained."""
        self._base = base
        self._post = post
        self._ask = ask
        self._clock = clock
        self._wall_clock = wall_clock
        self._allowed = float(_BURST)
        self._heard_s = clock()
        self._flooded = False

    def hear(self, received: Received) -> None:
        """Check one message and have the loop do what it says, or answer why not."""
        if received.retained:
            self.refused += 1
            _log.warning("A retained command on %s is ignored: it would come back with every connection", self.topic)
            return
        if not self._is_allowed():
            return
        topic = received.response_topic or f"{self._base}/response"
        name: str | None = None

        def answer(state: DeviceState | None, error: str | None) -> None:
            self.refused += error is not None
            payload = payloads.encode(payloads.response(name, state, error, self._wall_clock()))
            self._post(
                Message(topic, payload, qos=1, latest=False, ttl_s=_ANSWER_TTL_S, correlation=received.correlation)
            )

        if not self._may_answer_on(topic):
            unusable, topic = topic, f"{self._base}/response"
            answer(None, f"{unusable[:100]!r} cannot be answered on")
            return
        try:
            command = _parse(received.payload)
        except ValueError as error:  # pydantic.ValidationError is one too
            answer(None, _reason(error))
            return
        name = command.command
        values = command.values.model_dump(exclude_none=True) if command.values else {}
        self._ask(Request(name, values, answer))

    def _is_allowed(self) -> bool:
        now_s = self._clock()
        self._allowed = min(float(_BURST), self._allowed + (now_s - self._heard_s) * _PER_S)
        self._heard_s = now_s
        if self._allowed >= 1:
            self._allowed -= 1
            self._flooded = False
            return True
        self.refused += 1
        if not self._flooded:
            self._flooded = True
            _log.warning("More than %g commands a second on %s: the rest are ignored", _PER_S, self.topic)
        return False

    def _may_answer_on(self, topic: str) -> bool:
        """Not where only the broker or the device itself speaks, and not on a pattern."""
        own = f"{self._base}/"
        return (
            not topic.startswith("$")
            and not set(topic) & {"#", "+", "\0"}
            and (not topic.startswith(own) or topic.startswith(f"{own}response"))
        )


def _parse(payload: bytes) -> Command:
    """A JSON object, or one of the commands that take no values as a plain word.

    Raises:
        ValueError: it is not understood.
    """
    if len(payload) > _MAX_BYTES:
        raise ValueError(f"a command has at most {_MAX_BYTES} bytes, not {len(payload)}")
    if payload.lstrip().startswith(b"{"):
        return Command.model_validate_json(payload)
    return Command.model_validate({"command": payload.decode("utf-8", errors="replace").strip()})


def _reason(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problems = []
    for problem in error.errors(include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        what = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else problem["msg"]
        problems.append(f"{where}: {what}" if where else what)
    return "; ".join(problems)[:500]
