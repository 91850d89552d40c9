import numpy as np
import pytest
from keras import ops

from edge_fer_train.augment import BLUR, NOISE, SHADE, Mixing, augment, plain
from edge_fer_train.recipe import Augmentation

STILL = Augmentation(flip=0, shift=0, rotate=0, zoom_out=1, zoom_in=1, contrast=0)


def images(n: int = 4, side: int = 16) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, side, side), np.uint8)


def views(options: Augmentation, pictures: np.ndarray, seed: int = 0) -> np.ndarray:
    x = augment(pictures, options, np.random.default_rng(seed)).images
    assert ops.shape(x) == (*pictures.shape, 1)
    return np.asarray(ops.convert_to_numpy(x))


def test_nothing_asked_for_changes_nothing() -> None:
    assert np.array_equal(views(STILL, images()), plain(images()))


def test_flip_mirrors_exactly() -> None:
    flipped = views(STILL.model_copy(update={"flip": 1.0}), images())
    assert flipped == pytest.approx(plain(images()[:, :, ::-1]), abs=1e-6)


def test_shift_moves_by_at_most_its_share_of_the_side() -> None:
    spot = np.zeros((64, 32, 32), np.uint8)
    spot[:, 15:17, 15:17] = 255
    moved = views(STILL.model_copy(update={"shift": 0.125}), spot)[..., 0]
    rows = (moved.sum(axis=2) * np.arange(32)).sum(axis=1) / moved.sum(axis=(1, 2)) - 15.5
    assert np.abs(rows).max() <= 4
    assert np.abs(rows).max() > 3
    assert rows.min() < -1 < 1 < rows.max()


def test_rotation_turns_about_the_centre() -> None:
    bar = np.zeros((64, 33, 33), np.uint8)
    bar[:, 16, :] = 255
    turned = views(STILL.model_copy(update={"rotate": 45.0}), bar)[..., 0]
    assert turned[:, 16, 16] == pytest.approx(np.ones(64), abs=1e-5)
    right_end = turned[:, :, 28].argmax(axis=1) - 16
    assert np.abs(right_end).max() <= 12
    assert np.abs(right_end).max() >= 9


def test_zoom_in_magnifies() -> None:
    square = np.zeros((8, 32, 32), np.uint8)
    square[:, 12:20, 12:20] = 255
    area = views(STILL.model_copy(update={"zoom_in": 2.0}), square).sum(axis=(1, 2, 3))
    assert area.min() >= 63
    assert area.max() <= 4 * 64 + 1
    assert area.max() > 2 * 64


def test_contrast_keeps_the_mean_and_the_range() -> None:
    gray = np.full((8, 16, 16), 128, np.uint8)
    gray[:, 4:8] = 160
    changed = views(STILL.model_copy(update={"contrast": 0.5}), gray)
    assert changed.mean(axis=(1, 2, 3)) == pytest.approx(plain(gray).mean(axis=(1, 2, 3)), abs=1e-5)
    gain = np.ptp(changed, axis=(1, 2, 3)) / np.ptp(plain(gray), axis=(1, 2, 3))
    assert gain.min() >= 0.5
    assert gain.max() <= 1.5
    assert np.ptp(gain) > 0.1


def test_erasing_paints_a_rectangle_in_one_gray() -> None:
    white = np.full((32, 40, 40), 255, np.uint8)
    painted = views(STILL.model_copy(update={"erase": 1.0}), white)[..., 0] < 1
    share = painted.mean(axis=(1, 2))
    assert share.max() <= 0.3
    assert (share > 0).sum() >= 30
    one = painted[share.argmax()]
    rows, columns = np.flatnonzero(one.any(axis=1)), np.flatnonzero(one.any(axis=0))
    assert one[np.ix_(rows, columns)].all()


def test_mixup_blends_pictures_and_targets_alike() -> None:
    options = STILL.model_copy(update={"mixup": 1.0})
    seen = augment(images(8), options, np.random.default_rng(1))
    mixing = seen.mixing
    assert mixing is not None
    assert mixing.weight.min() >= 0.5
    assert seen.unspoiled is seen.images
    assert ops.convert_to_numpy(seen.images) == pytest.approx(mixing.blend(plain(images(8))), abs=1e-6)
    targets = mixing.blend(np.eye(8, dtype=np.float32))
    assert targets.sum(axis=1) == pytest.approx(np.ones(8))
    assert targets[2, 2] == pytest.approx(mixing.weight[2] if mixing.partner[2] != 2 else 1)


def test_the_unspoiled_views_are_moved_and_mixed_alike() -> None:
    moved = STILL.model_copy(update={"flip": 0.5, "contrast": 0.3, "mixup": 0.5})
    spoiled = moved.model_copy(update={"headwear": 0.5, "shade": 0.5, "blur": 0.5, "noise": 0.5, "erase": 0.5})
    seen = augment(images(64), spoiled, np.random.default_rng(1))
    unspoiled = ops.convert_to_numpy(seen.unspoiled)
    assert seen.mixing is not None
    alone = augment(images(64), moved.model_copy(update={"mixup": 0.0}), np.random.default_rng(1)).images
    assert unspoiled == pytest.approx(seen.mixing.blend(np.asarray(ops.convert_to_numpy(alone))), abs=1e-6)
    assert abs(unspoiled - ops.convert_to_numpy(seen.images)).max(axis=(1, 2, 3)).min() == 0
    assert (abs(unspoiled - ops.convert_to_numpy(seen.images)).max(axis=(1, 2, 3)) > 0.1).sum() > 48


def test_blending_by_hand() -> None:
    mixing = Mixing(np.array([1.0, 0.75], np.float32), np.array([1, 0]))
    assert mixing.blend(np.array([0.0, 4.0], np.float32)).tolist() == [0, 3]


def test_the_same_seed_gives_the_same_views() -> None:
    options = Augmentation(erase=0.5, mixup=0.5, brightness=0.2)
    assert np.array_equal(views(options, images(), 5), views(options, images(), 5))
    assert not np.array_equal(views(options, images(), 5), views(options, images(), 6))


def test_shade_darkens_one_side_and_spares_the_others() -> None:
    white = np.full((256, 48, 48), 255, np.uint8)
    shaded = views(STILL.model_copy(update={"shade": 0.5}), white)[..., 0]
    darkest, lightest = shaded.min(axis=(1, 2)), shaded.max(axis=(1, 2))
    untouched = darkest == 1
    assert 100 < untouched.sum() < 156
    assert darkest.min() == pytest.approx(1 - SHADE, abs=0.02)
    hard = ~untouched & (np.isclose(shaded, darkest[:, None, None], atol=1e-3).mean(axis=(1, 2)) > 0.1)
    assert hard.sum() > 30
    assert lightest[hard] == pytest.approx(np.ones(hard.sum()), abs=0.01)  # the other side keeps its light
    corners = shaded[:, [0, 0, -1, -1], [0, -1, -1, 0]]
    darker = np.isclose(corners, corners.min(axis=1, keepdims=True), atol=1e-3)
    across_lighter = np.isclose(np.roll(corners, 2, axis=1), corners.max(axis=1, keepdims=True), atol=1e-3)
    assert (darker & across_lighter).any(axis=1).all()


def test_headwear_hides_what_is_above_the_eyes_or_below_the_mouth() -> None:
    options, black = STILL.model_copy(update={"headwear": 0.5}), np.zeros((1024, 48, 48), np.uint8)
    cloth, over_white = (views(options, picture)[..., 0] for picture in (black, ~black))
    covered = cloth - over_white + 1
    worn = covered.max(axis=(1, 2)) > 0.5
    assert 430 < worn.sum() < 570
    hidden = covered[worn] > 0.5
    above, below = hidden[:, 0].mean(axis=1) > 0.3, hidden[:, -1].mean(axis=1) > 0.3
    assert (above & ~below).mean() == pytest.approx(0.5, abs=0.06)  # a hat
    assert (below & ~above).mean() == pytest.approx(0.2, abs=0.06)  # a scarf
    assert (above & below).mean() == pytest.approx(0.3, abs=0.06)  # a hood
    middle = hidden[:, :, 20:28].mean(axis=(0, 2))
    assert middle[:2].min() > 0.6
    assert middle[15:38].max() < 0.01  # eyes to mouth
    assert middle[-2:].max() > 0.4
    sides = hidden[:, :, [0, 1, 46, 47]].mean(axis=(0, 2))
    assert (sides[12:20] > middle[12:20] + 0.15).all()  # brims hang down on both sides
    inside = covered[worn] >= 0.95 * covered[worn].max(axis=(1, 2), keepdims=True)
    dyes = np.array([np.median(gray[within]) for gray, within in zip(cloth[worn], inside, strict=True)])
    assert [(dyes < 0.2).mean(), (dyes > 0.8).mean()] == pytest.approx([0.295, 0.295], abs=0.06)  # the arcsine's tails


def test_blur_is_gaussian_and_spares_the_others() -> None:
    spot = np.zeros((64, 33, 33), np.uint8)
    spot[:, 16, 16] = 255
    blurred = views(STILL.model_copy(update={"blur": 0.5}), spot)[..., 0]
    assert blurred.sum(axis=(1, 2)) == pytest.approx(np.ones(64), abs=1e-4)
    untouched = blurred[:, 16, 16] > 0.999
    assert 16 < untouched.sum() < 48
    squares = (np.arange(33) - 16) ** 2
    deviation_px = np.sqrt((blurred.sum(axis=2) * squares).sum(axis=1))
    assert 0.65 * BLUR * 33 < deviation_px.max() < 1.0 * BLUR * 33
    assert np.allclose(blurred, blurred.transpose(0, 2, 1))


def test_blur_repeats_the_border_outwards() -> None:
    gray = np.full((8, 16, 16), 200, np.uint8)
    assert views(STILL.model_copy(update={"blur": 1.0}), gray) == pytest.approx(plain(gray), abs=1e-5)


def test_noise_is_as_loud_as_it_may_be() -> None:
    gray = np.full((64, 48, 48), 128, np.uint8)
    loudness = views(STILL.model_copy(update={"noise": 0.5}), gray).std(axis=(1, 2, 3))
    assert 16 < (loudness < 1e-6).sum() < 48
    assert 0.9 * NOISE < loudness.max() < 1.05 * NOISE
