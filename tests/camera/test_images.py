"""Folders of images."""

import contextlib
import logging
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.camera.images import Images
from edge_fer.camera.source import EndOfStream, UnusableSourceError


def _write(path: Path, gray: int) -> None:
    cv2.imwrite(str(path), np.full((8, 10, 3), gray, np.uint8))


def _read_all(images: Images) -> list[tuple[int, float | None]]:
    seen: list[tuple[int, float | None]] = []
    with contextlib.suppress(EndOfStream):
        while True:
            picture = images.read()
            seen.append((int(picture.pixels[0, 0]), picture.position_s))
    return seen


def test_images_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for gray, name in ((30, "c.png"), (10, "a.png"), (20, "b.jpg")):
        _write(tmp_path / name, gray)
    (tmp_path / "notes.txt").write_text("no image")
    _write(tmp_path / ".hidden.png", 99)
    images = Images(tmp_path, fps=10)
    assert images.details == "3 images"
    assert _read_all(images) == [(10, 0.0), (20, 0.1), (30, 0.2)]


def test_a_single_image_is_a_folder_of_one(tmp_path: Path) -> None:
    _write(tmp_path / "a.png", 10)
    images = Images(tmp_path / "a.png")
    assert images.details == "1 image"
    assert _read_all(images) == [(10, 0.0)]


def test_colour_is_decoded_on_demand_from_the_bytes_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.full((8, 10, 3), (200, 100, 50), np.uint8))
    picture = Images(tmp_path).read()
    path.unlink()
    assert picture.pixels.shape == (8, 10)
    assert picture.colour is not None
    assert picture.colour()[0, 0].tolist() == [200, 100, 50]


def test_a_loop_goes_on_in_time(tmp_path: Path) -> None:
    _write(tmp_path / "a.png", 10)
    _write(tmp_path / "b.png", 20)
    images = Images(tmp_path, loop=True, fps=10)
    seen = [images.read() for _ in range(5)]
    assert [int(picture.pixels[0, 0]) for picture in seen] == [10, 20, 10, 20, 10]
    assert [picture.position_s for picture in seen] == [0, 0.1, 0.2, 0.3, 0.4]


def test_an_unreadable_image_is_passed_over_and_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _write(tmp_path / "a.png", 10)
    (tmp_path / "b.png").write_bytes(b"\x89PNG broken")
    (tmp_path / "c.jpg").touch()
    _write(tmp_path / "d.png", 40)
    images = Images(tmp_path, loop=True)
    with caplog.at_level(logging.WARNING):
        assert [int(images.read().pixels[0, 0]) for _ in range(6)] == [10, 40, 10, 40, 10, 40]
    assert caplog.messages == [f"{tmp_path / name} is passed over: it is no image" for name in ("b.png", "c.jpg")]


def test_nothing_but_unreadable_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(UnusableSourceError, match=r"none of the images in .* can be read$"):
        Images(tmp_path, loop=True).read()


def test_a_loop_ends_with_an_error_once_all_its_images_are_gone(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        _write(tmp_path / name, 10)
    images = Images(tmp_path, loop=True)
    for _ in range(3):
        images.read()
    (tmp_path / "a.png").unlink()
    assert images.read().pixels[0, 0] == 10
    (tmp_path / "b.png").unlink()
    with pytest.raises(UnusableSourceError, match=r"none of the images in .* can be read any more$"):
        images.read()


def _png_of(width: int, height: int) -> bytes:
    """A picture of almost nothing but its size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no image", "it is no image"), (_png_of(60000, 60000), "it is too large to be decoded")],
    ids=["no image", "too large"],
)
def test_a_single_image_that_cannot_be_read_is_one_clear_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, reason: str
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UnusableSourceError) as raised:
        Images(path).read()
    assert str(raised.value) == f"the image {path} cannot be read: {reason}"
    assert caplog.messages == []


def test_an_image_that_is_too_large_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.png").write_bytes(_png_of(60000, 60000))
    _write(tmp_path / "b.png", 20)
    assert _read_all(Images(tmp_path)) == [(20, 0.0)]
    assert caplog.messages == [f"{tmp_path}/a.png is passed over: it is too large to be decoded"]


def test_an_empty_folder_is_an_error_that_says_what_would_be_right(tmp_path: Path) -> None:
    with pytest.raises(UnusableSourceError, match=r"holds no image; it may hold bmp, jpeg, jpg, .*webp"):
        Images(tmp_path)
