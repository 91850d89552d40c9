"""Finding faces in a frame: one interface, one module per detector."""

from pathlib import Path
from typing import Final, Literal, Protocol

from edge_fer.config import DetectorConfig
from edge_fer.errors import DetectorError
from edge_fer.model_files import YUNET, installed_path
from edge_fer.records import Box, Face, Frame


class Detector(Protocol):
    """Finds faces.

    Attributes:
        name: `yunet`, `edge` or `haar`; the model's card holds a crop margin under this name.
        min_score: from which on it is sure to see a face.
    """

    name: str
    min_score: float

    def detect(self, frame: Frame) -> list[Face]:
        """All faces in a frame of which it is sure, in pixels of the frame, the surest first."""
        ...

    def detect_in(self, frame: Frame, region: Box) -> list[Face]:
        """The faces in a square of a frame, in pixels of the frame, the surest first.

        One is known to have been there a moment ago, so faces count of which the detector is less sure.

        Args:
            frame: where to look.
            region: the square, which may reach beyond the border; in its middle a face of half its side is expected.
        """
        ...


_KIND_BY_ENDING: Final[dict[str, Literal["yunet", "haar"]]] = {".onnx": "yunet", ".xml": "haar"}


def open_detector(settings: DetectorConfig, *, threads: int = 1) -> Detector:
    """Make the detector that the configuration asks for.

    Args:
        settings: which one, and how it searches.
        threads: CPU threads of OpenCV, a setting of the whole process, and of the detector's network.

    Raises:
        DetectorError: its file is missing or unusable.
    """
    yunet_file = Path(settings.model) if settings.model else installed_path(YUNET)
    kind = settings.kind
    if kind == "auto":
        kind = _KIND_BY_ENDING.get(Path(settings.model or "").suffix, "edge")
    if kind == "yunet" and not yunet_file.is_file():
        raise DetectorError(
            f"detector yunet: there is no {yunet_file}; run `edge-fer models pull`, or set detector.kind to edge"
        )
    import cv2  # noqa: PLC0415 - slow to import

    from edge_fer.detect.scaling import search_length_px  # noqa: PLC0415

    cv2.setNumThreads(threads)
    search_px = settings.search_px or search_length_px(settings.min_face)
    if kind == "edge":
        from edge_fer.detect.edge import SMALLEST_FACE_PX, Edge  # noqa: PLC0415

        model = Path(settings.model) if settings.model else None
        search_px = settings.search_px or search_length_px(settings.min_face, SMALLEST_FACE_PX)
        return Edge(model=model, min_score=settings.min_score, search_px=search_px, threads=threads)
    if kind == "haar":
        from edge_fer.detect.haar import Haar  # noqa: PLC0415

        return Haar(model=Path(settings.model) if settings.model else None, search_px=search_px)
    from edge_fer.detect.yunet import YuNet  # noqa: PLC0415

    return YuNet(model=yunet_file, min_score=settings.min_score, search_px=search_px)
