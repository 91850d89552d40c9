"""The figures as a table for the terminal."""

from collections.abc import Iterator
from typing import Final

from edge_fer.bench.figures import Figures, Variant
from edge_fer.bench.laps import WAITING, Spread

SHORT_S: Final = 10.0
"""A window shorter than this is said to be too short: a clock that is throttled has not settled."""


def table(figures: Figures) -> str:
    """All that was measured, to be read from above."""
    return "\n".join([*_machine(figures), "", *_summary(figures), "", *_stages(figures), *_variants(figures)])


def _machine(figures: Figures) -> Iterator[str]:
    machine = figures.machine
    yield _row("board", f"{figures.board}, {machine.memory_mb:.0f} MB, {machine.architecture}, {machine.kernel}")
    governor = machine.governor or "not readable"
    yield _row("clock", f"governor {governor}; {_heat(figures)}")
    yield _row("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items()))
    yield _row("model", f"{figures.model['name']} (sha256 {figures.model['sha256'][:12]}), detector {figures.detector}")
    seen = figures.conditions
    threads = f"{seen['threads']} thread{'' if seen['threads'] == '1' else 's'}"
    yield _row("frames", f"{seen['source']}, {seen['resolution']}, {seen['playback']}, {threads}")


def _heat(figures: Figures) -> str:
    before, after = figures.before, figures.after
    if before.temperature_c is None or after.temperature_c is None:
        warm = "temperature not readable"
    else:
        warm = f"{before.temperature_c:.0f} °C before, {after.temperature_c:.0f} °C after"
    words = {None: "not readable", True: "THROTTLED", False: "no"}
    if before.throttled == after.throttled:
        return f"{warm}; throttled: {words[after.throttled]}"
    return f"{warm}; throttled: {words[before.throttled]} before, {words[after.throttled]} after"


def _summary(figures: Figures) -> Iterator[str]:
    short = "" if figures.seconds >= SHORT_S else f" (shorter than {SHORT_S:g} s: take it as a hint only)"
    yield _row("fps", f"{figures.fps:.1f} over {figures.frames} frames in {figures.seconds:.1f} s{short}")
    if figures.conditions["playback"] == "live":
        lost = f"{figures.dropped} frames came too fast and were dropped"
        yield _row("headroom", f"the loop could take {1000 / figures.work.mean_ms:.1f} frames/s; {lost}")
    first_s = figures.time_to_first_reading_s
    yield _row("first face", "none seen" if first_s is None else f"{first_s:.2f} s after the program was started")
    yield _row("faces", f"{figures.faces:.2f} per frame")
    yield _row("memory", f"{figures.rss_mb:.0f} MB, {figures.peak_rss_mb:.0f} MB at most")
    cores = " ".join(f"{share:.0f}" for share in figures.cpu.cores)
    spent_ms = figures.cpu.process / 100 * 1000 / figures.fps
    yield _row(
        "CPU", f"{figures.cpu.process:.0f} % of one core, {spent_ms:.2f} ms per frame; cores in %: {cores or '?'}"
    )
    if figures.cpu.disturbed:
        yield _row(
            "disturbed", f"other work took {figures.cpu.others:.0f} % of a core meanwhile; quieten it, measure again"
        )
    rest_us = 1000 * figures.overhead * sum(one.mean_ms for name, one in figures.stages.items() if name != WAITING)
    yield _row("overhead", f"{figures.overhead:.1%}, {rest_us:.0f} us per frame, are neither detector nor classifier")
    latency = figures.latency
    queued = "nothing was published" if latency.queued is None else _percentiles(latency.queued)
    yield _row("to MQTT", f"{queued}, from the frame's arrival to the network thread, {latency.posted} messages")
    if latency.heard is not None:
        heard = f"{_percentiles(latency.heard)}, to a subscriber, {latency.received} messages"
        yield _row("", f"{heard}, {latency.broker}")
    else:
        yield _row("", f"not measured to a subscriber; broker: {latency.broker}")


def _stages(figures: Figures) -> Iterator[str]:
    yield f"{'stage':10}{'p50 ms':>9}{'p90 ms':>9}{'p99 ms':>9}{'ms/frame':>10}"
    for stage, spent in (*figures.stages.items(), ("all work", figures.work)):
        yield f"{stage:10}{spent.p50_ms:9.3f}{spent.p90_ms:9.3f}{spent.p99_ms:9.3f}{spent.mean_ms:10.3f}"


def _variants(figures: Figures) -> Iterator[str]:
    if figures.variants:
        yield ""
        heads = ("frames/s", "p50 ms", "p99 ms", "detect", "classify", "MB", "first s")
        yield f"{'side by side':24}" + "".join(f"{head:>10}" for head in heads)
        for variant in figures.variants:
            yield f"{f'{variant.option} {variant.choice}':24}{_cells(variant)}"


def _cells(variant: Variant) -> str:
    if variant.problem is not None:
        return f"  {variant.problem}"
    work, detect, classify = variant.work, variant.detect, variant.classify
    numbers = (
        (variant.fps, 1),
        (work and work.p50_ms, 3),
        (work and work.p99_ms, 3),
        (detect and detect.p50_ms, 3),
        (classify and classify.p50_ms, 3),
        (variant.rss_mb, 0),
        (variant.time_to_first_reading_s, 2),
    )
    return "".join(f"{'-' if number is None else f'{number:.{digits}f}':>10}" for number, digits in numbers)


def _percentiles(spread: Spread) -> str:
    return f"p50 {spread.p50_ms:.2f} ms, p90 {spread.p90_ms:.2f} ms, p99 {spread.p99_ms:.2f} ms"


def _row(name: str, text: str) -> str:
    return f"{name:11}{text}"
