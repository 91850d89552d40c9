import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_fer.errors import DownloadError
from edge_fer.model_files import YUNET, ModelFile, installed_path, models_folder, problem_with, pull

CONTENT = bytes(range(256)) * 1000
FILE = ModelFile(
    name="toy",
    file_name="toy.onnx",
    url="http://unused.invalid/toy.onnx",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    licence="CC0",
)


@dataclass
class Server:
    """What the next answers are, and which ranges were asked for."""

    url: str = ""
    body: bytes = CONTENT
    break_off_after: int | None = None
    status: int = 200
    honours_ranges: bool = True
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            if state.status != 200:
                self.send_error(state.status)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.honours_ranges else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(state.body) - start))
            self.end_headers()
            self.wfile.write(state.body[start : state.break_off_after])

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{httpd.server_port}/toy.onnx"
        yield state
        httpd.shutdown()
        thread.join()


def test_a_good_file_arrives_whole_with_progress(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    target = tmp_path / "new" / "toy.onnx"
    pull(FILE, target, url=server.url, progress=lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["toy.onnx"]
    assert seen[-1] == (256_000, 256_000)
    assert seen == sorted(seen)
    assert problem_with(FILE, target) is None


def test_a_download_that_breaks_off_is_resumed(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "toy.onnx"
    server.break_off_after = 100_000
    with pytest.raises(DownloadError, match="run the command again, it goes on"):
        pull(FILE, target, url=server.url)
    assert not target.exists()
    assert (tmp_path / "toy.onnx.part").stat().st_size == 100_000
    server.break_off_after = None
    pull(FILE, target, url=server.url)
    assert server.ranges == [None, "bytes=100000-"]
    assert target.read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "toy.onnx.part").write_bytes(b"x" * 1000)
    server.honours_ranges = False
    pull(FILE, tmp_path / "toy.onnx", url=server.url)
    assert (tmp_path / "toy.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("body", [CONTENT[:-1] + b"x", CONTENT + b"more"], ids=["wrong", "too long"])
def test_another_file_is_thrown_away_and_the_old_one_stays(server: Server, tmp_path: Path, body: bytes) -> None:
    target = tmp_path / "toy.onnx"
    target.write_bytes(b"old")
    server.body = body
    with pytest.raises(DownloadError, match=f"where {FILE.sha256} is right; the file was thrown away"):
        pull(FILE, target, url=server.url)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["toy.onnx"]


def test_not_found(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match="the server answers 404 Not Found; nothing was changed"):
        pull(FILE, tmp_path / "toy.onnx", url=server.url)
    assert list(tmp_path.iterdir()) == []


def test_connection_refused(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/toy.onnx"
        with pytest.raises(DownloadError, match=r"cannot be reached: .*refused.*; is this machine online"):
            pull(FILE, tmp_path / "toy.onnx", url=url)


def test_a_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match=r"cannot be written: .*; free space or set EDGE_FER_MODELS"):
        pull(FILE, tmp_path / "file" / "toy.onnx", url=server.url)


def test_verify_names_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "toy.onnx"
    assert problem_with(FILE, path) == f"{path}: there is no such file; `edge-fer models pull` fetches it"
    path.write_bytes(b"short")
    assert problem_with(FILE, path) == f"{path}: 5 bytes where 256000 are right; `edge-fer models pull` fetches it anew"
    path.write_bytes(b"x" * FILE.size)
    found = hashlib.sha256(b"x" * FILE.size).hexdigest()
    assert problem_with(FILE, path) == (
        f"{path}: sha256 {found} is not {FILE.sha256}; `edge-fer models pull` fetches it anew"
    )


def test_where_files_live() -> None:
    assert models_folder({"HOME": "/home/ada"}) == Path("/home/ada/.local/share/edge-fer/models")
    assert models_folder({"HOME": "/home/ada", "XDG_DATA_HOME": "/data"}) == Path("/data/edge-fer/models")
    assert models_folder({"STATE_DIRECTORY": "/var/lib/edge-fer:/b"}) == Path("/var/lib/edge-fer/models")
    assert models_folder({"STATE_DIRECTORY": "/a", "EDGE_FER_MODELS": "/m"}) == Path("/m")
    assert installed_path(YUNET, {"EDGE_FER_MODELS": "/m"}) == Path("/m/face_detection_yunet_2023mar.onnx")


@pytest.mark.data
def test_yunet_is_the_file_that_the_data_folder_holds(data: Path) -> None:
    assert problem_with(YUNET, data / "models" / YUNET.file_name) is None
