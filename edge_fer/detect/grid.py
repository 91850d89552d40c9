"""Where the cells of the detector `edge` look: shared by its training and its decoding.

Every cell of an output map regresses from the centre of its receptive field. TensorFlow's SAME padding of a
3x3 convolution with stride 2 pads below and to the right of an even side and on both ends of an odd one, so that the
centre depends on the sides of the maps; computed exactly, one network serves every input size.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

STRIDES_PX: Final = (8, 16, 32)
SIDE_STEP_PX: Final = 16
"""Input sides are multiples of it, since the map of stride 16 is doubled onto that of stride 8."""

VALUES: Final = 15
"""Values of a cell: score logit, box (x, y, log width, log height), five landmarks (x, y); lengths in strides."""


def cell_centres(height_px: int, width_px: int) -> list[NDArray[np.float32]]:
    """Centres of the cells of each output map.

    Args:
        height_px: of the input, a multiple of `SIDE_STEP_PX`.
        width_px: likewise.

    Returns:
        For each stride float32 (rows, columns, 2): x, y in pixels from the input's upper left corner.
    """
    rows, columns = _axis_centres(height_px), _axis_centres(width_px)
    return [np.stack(np.meshgrid(columns[stride], rows[stride]), axis=-1).astype(np.float32) for stride in STRIDES_PX]


def _axis_centres(side_px: int) -> dict[int, NDArray[np.float64]]:
    first, stride, count = 0.5, 1, side_px
    centres = {}
    while stride < STRIDES_PX[-1]:
        pad_total = max((-(-count // 2) - 1) * 2 + 3 - count, 0)
        first += (1 - pad_total // 2) * stride
        stride, count = 2 * stride, -(-count // 2)
        centres[stride] = np.asarray(first + stride * np.arange(count), np.float64)
    return centres
