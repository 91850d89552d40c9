import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edge_fer.bench.compare import Change, compare, comparison_table, disturbance, refuse_unlike
from edge_fer.bench.figures import Cpu, read_figures, write_figures
from edge_fer.errors import DataError, EdgeFerError

if TYPE_CHECKING:
    from tests.bench.conftest import MakeFigures


def by_name(changes: list[Change]) -> dict[str, Change]:
    return {change.name: change for change in changes}


def noisy(mean: float, seed: int, blocks: int = 20) -> list[float]:
    noise = np.random.default_rng(seed).normal(0, 0.1, blocks)
    return [float(value) for value in mean * (1 + noise - noise.mean())]


def test_a_slower_stage_is_named_with_the_ratio_and_an_interval(make_figures: "MakeFigures") -> None:
    old = make_figures(stages={"detect": noisy(4.0, 1)})
    new = make_figures(stages={"detect": noisy(6.0, 2)})
    changes = by_name(compare(old, new))
    detect = changes["detect"]
    assert (detect.old, detect.new, detect.ratio) == pytest.approx((4.0, 6.0, 1.5))
    low, high = detect.interval
    assert 1.35 < low < 1.5 < high < 1.65
    assert [name for name, change in changes.items() if change.slower] == ["frames/s", "CPU", "all work", "detect"]
    assert changes["frames/s"].ratio == pytest.approx(6 / 8, rel=0.02)  # of the blocks' rates, not of their times
    assert not any(change.faster for change in changes.values())


def test_a_faster_stage_is_not_called_slower(make_figures: "MakeFigures") -> None:
    changes = by_name(compare(make_figures(), make_figures(stages={"detect": 2.0})))
    assert {name for name, change in changes.items() if change.faster} == {"frames/s", "CPU", "all work", "detect"}
    assert changes["frames/s"].ratio == pytest.approx(1.5)
    assert not any(change.slower for change in changes.values())


def test_a_difference_within_the_noise_is_none(make_figures: "MakeFigures") -> None:
    values = [4.0, 40.0] * 10
    old, new = (
        make_figures(stages={"detect": values}),
        make_figures(stages={"detect": [1.2 * value for value in values]}),
    )
    detect = by_name(compare(old, new))["detect"]
    assert detect.ratio == pytest.approx(1.2)
    assert (detect.slower, detect.faster) == (False, False)


def test_a_difference_that_two_runs_of_one_program_have_is_none(make_figures: "MakeFigures") -> None:
    detect = by_name(compare(make_figures(), make_figures(stages={"detect": 4.1})))["detect"]
    assert detect.interval == pytest.approx((1.025, 1.025))
    assert not detect.slower


def test_waiting_for_a_live_camera_is_no_work(make_figures: "MakeFigures") -> None:
    live = {"playback": "live"}
    old, new = (make_figures(stages={"capture": ms}) for ms in (10.0, 30.0))
    old, new = (dataclasses.replace(one, conditions={**one.conditions, **live}) for one in (old, new))
    changes = by_name(compare(old, new))
    assert "capture" not in changes
    assert changes["all work"].ratio == 1.0


@pytest.mark.parametrize(
    ("name", "then", "now"),
    [
        ("source", "film.mkv (sha256 0123456789ab)", "film.mkv (sha256 000000000000)"),
        ("resolution", "640x480", "1280x720"),
        ("threads", "1", "4"),
        ("model", "emotion (sha256 ba9876543210)", "emotion (sha256 111111111111)"),
        ("detector", "yunet", "haar"),
        ("detector.min_score", "0.75", "0.5"),
        ("board", "Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 5"),
        ("playback", "as fast as possible", "live"),
    ],
)
def test_unlike_runs_are_refused(make_figures: "MakeFigures", name: str, then: str, now: str) -> None:
    old = make_figures()
    new = make_figures(conditions={**old.conditions, name: now})
    with pytest.raises(DataError) as refused:
        compare(old, new)
    assert str(refused.value) == (
        f"these runs cannot be compared, they differ in {name} ({then} then, {now} now); measure both alike"
    )


def test_all_that_is_unlike_stands_in_one_sentence() -> None:
    with pytest.raises(DataError, match=r"differ in threads \(1 then, 2 now\), board \(a then, b now\); measure"):
        refuse_unlike({"threads": "1", "board": "a"}, {"threads": "2", "board": "b"})


def test_an_option_that_only_one_version_knows_is_no_difference() -> None:
    refuse_unlike({"threads": "1", "old.option": "x"}, {"threads": "1", "new.option": "y"})


def test_runs_that_are_too_short_are_refused(make_figures: "MakeFigures") -> None:
    with pytest.raises(DataError, match="the earlier run is too short to compare: it has 3 blocks"):
        compare(make_figures(blocks=3), make_figures())
    with pytest.raises(DataError, match="the new run is too short to compare"):
        compare(make_figures(), make_figures(blocks=4))


def test_the_table_says_what_became_slower(make_figures: "MakeFigures") -> None:
    text = comparison_table(compare(make_figures(), make_figures(stages={"detect": 8.0})))
    assert "detect         4.000     8.000  +100.0%   +100.0% to +100.0%  SLOWER" in text.splitlines()
    assert text.splitlines()[-1] == "slower: frames/s, CPU, all work, detect (by 5% or more, and beyond chance)"
    text = comparison_table(compare(make_figures(), make_figures()))
    assert text.splitlines()[-1] == "nothing became slower (by 5% or more, and beyond chance)"


@pytest.mark.parametrize(("then", "now"), [(80.0, 3.0), (3.0, 80.0)])
def test_beside_other_work_nothing_is_called_slower(make_figures: "MakeFigures", then: float, now: float) -> None:
    old, new = (
        make_figures(cpu=Cpu(96.0, (97.0, then))),
        make_figures(cpu=Cpu(96.0, (97.0, now)), stages={"detect": 8.0}),
    )
    changes = compare(old, new)
    assert by_name(changes)["detect"].ratio == 2.0
    assert not any(change.slower or change.faster for change in changes)
    assert comparison_table(changes, disturbance(old, new)).splitlines()[-1] == (
        f"no verdict, other work took {then + 1:.0f} % of a core then, {now + 1:.0f} % now: "
        "quieten it, and measure both again"
    )


def test_figures_come_back_from_their_file(make_figures: "MakeFigures", tmp_path: Path) -> None:
    figures = make_figures()
    write_figures(figures, tmp_path / "bench.json")
    assert read_figures(tmp_path / "bench.json") == figures


def test_the_file_keeps_what_others_rely_on(make_figures: "MakeFigures", tmp_path: Path) -> None:
    write_figures(make_figures(), tmp_path / "bench.json")
    values = json.loads((tmp_path / "bench.json").read_text())
    assert (values["fps"], values["time_to_first_reading_s"], values["rss_mb"]) == (160.0, 1.25, 90.4)
    assert values["stages"]["detect"].items() >= {"p50_ms": 1.0, "p90_ms": 2.0, "p99_ms": 3.0}.items()
    assert (values["model"]["name"], values["detector"], values["board"]) == (
        "emotion",
        "yunet",
        "Raspberry Pi 4 Model B Rev 1.4",
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"fps: 3", "is no JSON; right would be a file that `edge-fer bench --json` wrote"),
        (b"[1]", "right would be a file that `edge-fer bench --json` wrote"),
        (b'{"fps": 3}', "has format None, this edge-fer compares format 1; measure anew"),
        (b'{"format": 1, "fps": "fast"}', "fps: Input should be a valid number"),
    ],
)
def test_a_file_that_holds_no_figures_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(content)
    with pytest.raises(EdgeFerError) as refused:
        read_figures(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert sentence in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"old\.json: cannot be read: No such file or directory"):
        read_figures(tmp_path / "old.json")
