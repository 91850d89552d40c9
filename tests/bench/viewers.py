"""What viewers of the live page cost the inference loop.

    python tests/bench/viewers.py [--clip FILE] [--yunet FILE] [--rounds N] [--seconds S]

Runs the real daemon on a looped clip, as fast as it can, so that every stolen moment shows in its frame rate, and lets
0, 1 and 10 viewers look in turn, each as the page does: the stream of states, and a picture for every new one. The
viewers run in a process of their own; the turns are repeated, because other work on the machine comes and goes.
"""

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from edge_fer.clip import write_demo_clip

VIEWERS = (0, 1, 10)
SETTLE_S = 2.0


class Daemon:
    """`edge-fer run` on a clip."""

    def __init__(self, folder: Path, clip: Path, yunet: Path | None) -> None:
        config = folder / "edge-fer.yaml"
        settings = {
            "camera": {"source": str(clip), "loop": True, "realtime": False},
            "detector": {"kind": "yunet", "model": str(yunet)} if yunet else {},
            "mqtt": {"enabled": False},
            "web": {"enabled": True, "port": 0, "pictures": True},
        }
        config.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "edge_fer", "run", "--config", str(config)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"live page: http://127\.0\.0\.1:(\d+)/", line):
                self.port = int(found[1])
                return
        raise SystemExit("the daemon did not start")

    def frames(self) -> tuple[float, int]:
        """When the count of frames changed last, and to what: it does so once a second."""
        seen = self._read()
        while (now := self._read()) == seen:
            time.sleep(0.01)
        return time.monotonic(), now

    def cpu_s(self) -> float:
        """Processor time of the whole daemon."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def _read(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            return int(float(re.search(r"^edge_fer_frames_total (\S+)", answer.read().decode(), re.MULTILINE)[1]))  # type: ignore[index]


@contextmanager
def looked_at(port: int, viewers: int) -> Iterator[None]:
    """So many viewers look meanwhile."""
    if viewers == 0:
        yield
        return
    command = [sys.executable, __file__, "--view", str(port), str(viewers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield
    process.terminate()
    process.wait()


async def look(port: int) -> None:
    """One viewer, for ever."""
    states, events = await asyncio.open_connection("127.0.0.1", port)
    events.write(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    pictures, asking = await asyncio.open_connection("127.0.0.1", port)
    seen = -1
    while line := await states.readline():
        if line.startswith(b"data: ") and (seq := json.loads(line[6:])["seq"]) != seen:
            seen = seq
            asking.write(b"GET /picture.jpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await pictures.readuntil(b"\r\n\r\n")
            if found := re.search(rb"content-length: (\d+)", head):
                await pictures.readexactly(int(found[1]))


async def look_together(port: int, viewers: int) -> None:
    await asyncio.gather(*(look(port) for _ in range(viewers)))


def measure(daemon: Daemon, viewers: int, seconds: float) -> tuple[float, float]:
    """Frames per second, and the daemon's processor time per frame in milliseconds."""
    with looked_at(daemon.port, viewers):
        time.sleep(SETTLE_S)
        began_s, began = daemon.frames()
        began_cpu_s = daemon.cpu_s()
        time.sleep(seconds)
        ended_s, ended = daemon.frames()
        spent_s = daemon.cpu_s() - began_cpu_s
    return (ended - began) / (ended_s - began_s), 1000 * spent_s / (ended - began)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what viewers of the live page cost.")
    parser.add_argument("--clip", type=Path, help="video to loop (default: the demo's)")
    parser.add_argument(
        "--yunet", type=Path, help="file of the YuNet detector; without it the default detector finds the faces"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (%(default)s)")
    parser.add_argument("--view", type=int, nargs=2, metavar=("PORT", "N"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.view:
        asyncio.run(look_together(*args.view))
        return
    with tempfile.TemporaryDirectory() as name:
        clip = args.clip or Path(name) / "clip.mp4"
        if args.clip is None:
            write_demo_clip(clip)
        daemon = Daemon(Path(name), clip, args.yunet)
        try:
            rounds = [{n: measure(daemon, n, args.seconds) for n in VIEWERS} for _ in range(args.rounds)]
        finally:
            daemon.process.terminate()
            daemon.process.wait()
    lines = ["| viewers | frames/s | change | processor time per frame | change |", "|---|---|---|---|---|"]
    for viewers in VIEWERS:
        fps, cpu_ms = (statistics.median(one[viewers][at] for one in rounds) for at in (0, 1))
        changes = [statistics.median(one[viewers][at] / one[0][at] - 1 for one in rounds) for at in (0, 1)]
        lines.append(f"| {viewers} | {fps:.1f} | {changes[0]:+.1%} | {cpu_ms:.2f} ms | {changes[1]:+.1%} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
