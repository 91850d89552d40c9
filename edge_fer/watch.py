"""`edge-fer watch`: all devices on a broker, live at the terminal."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from edge_fer.assembly import broker_access
from edge_fer.config import Config
from edge_fer.errors import EdgeFerError
from edge_fer.house import DeviceSeen, FaceSeen, House
from edge_fer.publish.listen import listen
from edge_fer.publish.transport import Received

try:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text
except ImportError as error:
    raise EdgeFerError("`edge-fer watch` needs rich: run `pip install 'edge-fer[watch]'`") from error

_PER_S: Final = 4
_BAR_WIDTH: Final = 12
_SPARKS: Final = "▁▂▃▄▅▆▇█"
_STYLES: Final = {"online": "green", "offline": "red", "no camera": "red", "paused": "yellow"}
_MOST_UNREAD: Final = 20_000
"""Messages; a terminal that hangs longer loses the oldest."""


def run_watch(
    config: Config,
    out: TextIO,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Show the devices until the time is over.

    Args:
        config: the broker and the base topic.
        out: the terminal; anything else gets the last view alone.
        seconds: how long; infinity: until it is stopped.
        clock: monotonic seconds.
        stopped: whether to end before the time is over.

    Raises:
        BrokerError: a TLS file cannot be used.
        RuntimeError: the network thread has died.
    """
    house = House(config.mqtt.base_topic)
    unread: deque[Received] = deque(maxlen=_MOST_UNREAD)
    connection = listen(topics=house.topics, hear=unread.append, **broker_access(config.mqtt))
    address = f"{config.mqtt.host}:{config.mqtt.port}"
    try:
        ends_s = clock() + seconds
        with Live(console=Console(file=out), auto_refresh=False) as live:
            while (now_s := clock()) < ends_s and not stopped():
                connection.check()
                while unread:
                    house.hear(unread.popleft(), now_s)
                live.update(table(house, now_s, address=address, connected=connection.stats.connected), refresh=True)
                time.sleep(min(1 / _PER_S, max(0.0, ends_s - clock())))
    finally:
        connection.close()


def table(house: House, now_s: float, *, address: str, connected: bool) -> Table:
    """The view of a moment: a row for each face, and one for a device that sees none."""
    devices = house.devices(now_s)
    counted = f"{len(devices)} device{'' if len(devices) == 1 else 's'}"
    view = Table(title=f"{counted} at {address}{'' if connected else ', which cannot be reached'}")
    for title, justify in (("device", "left"), ("state", "left"), ("face", "right"), ("emotion", "left")):
        view.add_column(title, justify=justify)  # type: ignore[arg-type]
    view.add_column("confidence")
    view.add_column("lately")
    view.add_column("fps", justify="right")
    view.add_column("heard", justify="right")
    for name, seen in devices.items():
        rows = [_face_cells(track, face) for track, face in sorted(seen.faces.items())] or [("", "", "", "")]
        for number, cells in enumerate(rows):
            view.add_row(*(_device_cells(name, seen) if number == 0 else ("", "")), *cells, *_tail(seen, now_s, number))
    return view


def _device_cells(name: str, seen: DeviceSeen) -> Sequence[Text]:
    style = _STYLES.get(seen.state, "dim")
    return Text(name, style="dim" if seen.state == "offline" else ""), Text(seen.state, style=style)


def _face_cells(track: int, face: FaceSeen) -> tuple[Text | str, ...]:
    filled = round(_BAR_WIDTH * face.confidence)
    bar = f"{'█' * filled}{'·' * (_BAR_WIDTH - filled)} {face.confidence:4.0%}"
    sparks = "".join(_SPARKS[min(int(value * len(_SPARKS)), len(_SPARKS) - 1)] for value in face.history)
    return str(track), Text(face.emotion), bar, sparks


def _tail(seen: DeviceSeen, now_s: float, number: int) -> tuple[str, str]:
    if number:
        return "", ""
    return "" if seen.fps is None else f"{seen.fps:.1f}", f"{now_s - seen.heard_s:.0f} s ago"
