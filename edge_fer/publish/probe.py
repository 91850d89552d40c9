"""One attempt to be let in by a broker, for a person who waits for the answer."""

import time
from collections.abc import Callable

from edge_fer.errors import BrokerError
from edge_fer.publish.transport import Accepted, Closed, Event, Refusal, Refused, Transport, Version


def probe(
    transport: Transport,
    versions: tuple[Version, ...],
    *,
    address: str,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Version:
    """Try the versions in turn and leave again; returns the one that was accepted.

    Raises:
        BrokerError: the broker cannot be reached, does not answer within `timeout_s`, or refuses us.
    """
    reason = ""
    for version in versions:
        try:
            transport.open(version)
        except OSError as error:
            raise BrokerError(f"The MQTT broker {address} cannot be reached: {error.strerror or error}") from error
        answer = _answer(transport, clock, clock() + timeout_s)
        match answer:
            case Accepted():
                transport.disconnect()
                return version
            case Refused(Refusal.CREDENTIALS, reason):
                raise BrokerError(
                    f"The MQTT broker {address} refuses us: {reason}; look at mqtt.username and mqtt.password"
                )
            case Refused(_, reason) | Closed(reason):
                pass
            case _:
                reason = f"no answer within {timeout_s:g} s"
        transport.abort()
    raise BrokerError(f"The MQTT broker {address} does not let us in: {reason}")


def _answer(transport: Transport, clock: Callable[[], float], until_s: float) -> Event | None:
    while (remaining_s := until_s - clock()) > 0:
        events = transport.poll()
        if events:
            return events[0]
        transport.wait(remaining_s)
    return None
