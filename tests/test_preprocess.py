import math

import cv2
import numpy as np
import pytest

from edge_fer.preprocess import CropMargin, crop_face, lighten, resize_face, to_model_input
from edge_fer.records import Box

AS_IS = CropMargin(scale=1.0, shift_y=0.0)


def test_gray_becomes_int8_by_flipping_the_sign_bit() -> None:
    crop = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)
    model_input = to_model_input(crop)
    assert model_input.dtype == np.int8
    assert model_input.shape == (1, 2, 3, 1)
    assert model_input[0, :, :, 0].tolist() == [[-128, -127, -1], [0, 126, 127]]


def test_every_gray_value_means_its_255th_part() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    real = (to_model_input(gray).astype(np.float64) + 128) / 255
    np.testing.assert_allclose(real[0, :, :, 0], gray[0] / 255, rtol=0, atol=1e-12)


def test_a_box_of_the_wanted_size_is_cut_out_unchanged() -> None:
    frame = np.arange(100, dtype=np.uint8).reshape(10, 10)
    crop = crop_face(frame, Box(2, 3, 4, 4), AS_IS, (4, 4))
    assert crop.tolist() == frame[3:7, 2:6].tolist()
    assert not np.shares_memory(crop, frame)


def test_margin_widens_and_lowers_the_square() -> None:
    frame = np.arange(400, dtype=np.uint16).reshape(20, 20).astype(np.uint8)
    # Box mean size 4, so side 8 around (8, 8), lowered by a quarter of 8.
    crop = crop_face(frame, Box(6, 5, 4, 6), CropMargin(scale=1.6, shift_y=0.25), (8, 8))
    assert crop.tolist() == frame[6:14, 4:12].tolist()


def test_beyond_the_border_stands_the_nearest_pixel() -> None:
    frame = np.array([[1, 2], [3, 4]], np.uint8)
    crop = crop_face(frame, Box(-1, -1, 4, 4), AS_IS, (4, 4))
    assert crop.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_a_box_wholly_outside_still_gives_a_crop_of_border_pixels() -> None:
    frame = np.array([[1, 2], [3, 4]], np.uint8)
    assert crop_face(frame, Box(-9, -9, 4, 4), AS_IS, (4, 4)).tolist() == [[1] * 4] * 4
    assert crop_face(frame, Box(9, 9, 4, 4), AS_IS, (4, 4)).tolist() == [[4] * 4] * 4


def test_a_box_outside_on_one_side_keeps_the_rows_of_the_other() -> None:
    frame = np.array([[1, 2], [3, 4]], np.uint8)
    assert crop_face(frame, Box(5, 0, 2, 2), AS_IS, (2, 2)).tolist() == [[2, 2], [4, 4]]
    assert crop_face(frame, Box(-7, 0, 2, 2), AS_IS, (2, 2)).tolist() == [[1, 1], [3, 3]]


@pytest.mark.parametrize("side_px", [48, 150])
@pytest.mark.parametrize("roll_deg", [-35.0, 20.0, 90.0])
def test_a_tilted_face_is_cut_out_upright(roll_deg: float, side_px: int) -> None:
    face = np.zeros((side_px, side_px), np.uint8)
    face[: side_px // 2] = 100
    face[:, : side_px // 2] += 50  # four quarters: 150 and 100, 50 and 0
    frame = np.pad(face, side_px, constant_values=255)
    middle = (frame.shape[0] - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), -roll_deg, 1.0)  # OpenCV's angles are anticlockwise
    tilted = cv2.warpAffine(frame, turn, frame.shape).astype(np.uint8)
    up = 0.2 * side_px  # a box that lies too high along the face
    box = Box(
        side_px + up * math.sin(math.radians(roll_deg)), side_px - up * math.cos(math.radians(roll_deg)), *[side_px] * 2
    )
    crop = crop_face(tilted, box, CropMargin(scale=1.0, shift_y=0.2), (24, 24), roll_deg=roll_deg)
    quarters = [crop[2:10, 2:10], crop[2:10, 14:22], crop[14:22, 2:10], crop[14:22, 14:22]]
    assert [round(float(part.mean())) for part in quarters] == [150, 100, 50, 0]
    assert max(part.std() for part in quarters) < 1
    assert not (crop == 255).any()


def test_a_head_that_is_hardly_tilted_is_left_as_it_is() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    straight = crop_face(frame, Box(4, 4, 8, 8), AS_IS, (8, 8))
    assert (crop_face(frame, Box(4, 4, 8, 8), AS_IS, (8, 8), roll_deg=-3.0) == straight).all()
    assert (crop_face(frame, Box(4, 4, 8, 8), AS_IS, (8, 8), roll_deg=-3.1) != straight).any()


def test_a_tilted_face_at_the_border_is_filled_up() -> None:
    frame = np.full((30, 30), 7, np.uint8)
    assert (crop_face(frame, Box(-10, -10, 20, 20), AS_IS, (16, 12), roll_deg=30.0) == np.full((16, 12), 7)).all()


def test_shrinking_averages_areas() -> None:
    checkers = np.tile(np.array([[0, 200], [200, 0]], np.uint8), (4, 4))
    assert resize_face(checkers, (4, 4)).tolist() == [[100] * 4] * 4


def test_a_dark_face_gets_the_contrast_of_the_training_pictures() -> None:
    rng = np.random.default_rng(0)
    bright = cv2.resize(rng.integers(0, 256, (12, 12), dtype=np.uint8), (48, 48)).astype(np.uint8)
    dark = (bright // 8 + 2).astype(np.uint8)
    light = lighten(dark)
    assert light.dtype == np.uint8
    assert light.shape == (48, 48)
    assert light.mean() == pytest.approx(130, abs=1)
    assert light.std() == pytest.approx(55, abs=3)
    assert np.corrcoef(light.ravel(), bright.ravel())[0, 1] > 0.98


def test_a_face_of_contrast_stays_what_it_is() -> None:
    face = np.random.default_rng(0).integers(80, 181, (48, 48), dtype=np.uint8)
    assert face.std() > 20
    assert lighten(face) is face


def test_what_is_next_to_flat_is_no_face() -> None:
    noise = np.random.default_rng(0).integers(9, 13, (48, 48), dtype=np.uint8)
    assert noise.std() < 2
    assert lighten(noise) is noise
