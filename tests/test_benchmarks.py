"""The benchmarks' own arithmetic: which way a ratio is good, and what the published pages say."""

import os
import re
import time
import xml.etree.ElementTree

import pytest

import publish
import served
from contest import Contest, Peer, Side
from headlines import HEADLINES, headlines
from judge import Judged, interval_of_median
from plot import plot
from server import processor_time
from table import aims, line, overview


def row(unit, ours, theirs, wanted=None, **more):
    made = {
        "what": "a read",
        "unit": unit,
        "ours": {"name": "ours", "rounds": ours},
        "theirs": {"name": "peer", "rounds": theirs},
        **more,
    }
    return {**made, "wanted": wanted} if wanted else made


@pytest.mark.parametrize(
    "unit, ours, theirs, wanted, met, advantage",
    [
        ("ns/call", [50], [40], ["at most", 1.0], False, 0.8),
        ("ns/call", [40], [50], ["at most", 1.0], True, 1.25),
        ("MiB/s", [50], [40], ["at least", 1.0], True, 1.25),
        ("requests/s", [40], [50], ["at least", 0.9], False, 0.8),
        # Medians, not means: a single disturbed round must not count.
        ("ns/call", [40, 41, 9000], [50, 50, 50], ["at most", 1.0], True, 50 / 41),
    ],
)
def test_judged(unit, ours, theirs, wanted, met, advantage):
    judged = Judged(row(unit, ours, theirs, wanted))
    assert judged.met is met
    assert judged.advantage == pytest.approx(advantage)


@pytest.mark.parametrize("ours, met", [([14], True), ([16], False)])
def test_a_difference_as_the_aim(ours, met):
    assert Judged(row("ns/call", ours, [5], ["at most more", 10])).met is met


@pytest.mark.parametrize(
    "count, least, most",
    [
        # The chance that all five are on the same side of the median is 2/32, which is too much.
        (5, None, None),
        (6, 1, 6),  # 2/64
        (7, 1, 7),  # 2/128, but with those where one is on the other side it would be 16/128
        (9, 2, 8),  # 20/512
        (11, 2, 10),  # 24/2048, and with those where two are 134/2048
    ],
)
def test_the_interval_of_a_median(count, least, most):
    numbers = list(range(count, 0, -1))
    assert interval_of_median(numbers) == (least and (least, most))


@pytest.mark.parametrize(
    "unit, ours, wanted, verdict",
    [
        # With eleven rounds against 100, the interval excludes the lowest and the highest.
        ("requests/s", [50, *range(101, 110), 500], ["at least", 1.0], "yes"),
        ("requests/s", [50, 99, *range(101, 109), 500], ["at least", 1.0], "yes, within noise"),
        ("requests/s", [50, *range(92, 100), 101, 500], ["at least", 1.0], "no, within noise"),
        ("requests/s", [50, *range(91, 100), 500], ["at least", 1.0], "**no**"),
        ("ns/call", [50, *range(91, 100), 500], ["at most", 1.0], "yes"),
        ("ns/call", [50, *range(92, 100), 101, 500], ["at most", 1.0], "yes, within noise"),
        ("ns/call", [50, 99, *range(101, 109), 500], ["at most", 1.0], "no, within noise"),
        ("ns/call", [50, *range(101, 110), 500], ["at most", 1.0], "**no**"),
        # The interval includes its borders.
        ("requests/s", [50, 100, *range(102, 110), 500], ["at least", 1.0], "yes, within noise"),
        # A difference as the aim: 110 is wanted.
        ("ns/call", [50, *range(101, 110), 500], ["at most more", 10], "yes"),
        ("ns/call", [50, *range(102, 110), 111, 500], ["at most more", 10], "yes, within noise"),
        # Five rounds say nothing about noise.
        ("requests/s", [50, 99, 101, 102, 500], ["at least", 1.0], "yes"),
        ("requests/s", [50, 98, 99, 101, 500], ["at least", 1.0], "**no**"),
        ("requests/s", [100] * 11, None, ""),
    ],
)
def test_the_verdict(unit, ours, wanted, verdict):
    text = line(row(unit, ours, [100] * len(ours), wanted))
    assert text.split("|")[-2].strip() == verdict


def test_the_interval_is_that_of_each_rounds_own_ratio():
    disturbed = [100, 200, 400, 800, 1600, 3200]
    ours = [number * 1.1 for number in disturbed]
    assert Judged(row("ns/call", ours, disturbed)).interval == pytest.approx((1.1, 1.1))


def test_processor_time_is_what_a_process_sees_of_its_own():
    before = time.process_time()
    seen = processor_time(os.getpid())
    assert 0 < before <= seen <= time.process_time()


def test_processor_time_is_that_of_a_request():
    class Idle:
        processor_time = property(lambda self: next(self.clock))
        clock = iter([2.0, 2.5])

    class Job:
        def run(self, server, extent):
            return 7.0, 50_000

    assert served.run(Job(), Idle(), None) == (7.0, pytest.approx(10))


def test_a_row_of_processor_time_has_no_aim_and_less_is_better():
    sides = Side("ours", "ours.so"), Side("peer", "peer.so")
    contest = Contest("a job", "requests/s", sides[0], (Peer(sides[1], ("at least", 1.0)),))
    (made,) = served.of_processor_time(contest).rows({})
    judged = Judged(made)
    assert (judged.what, judged.wanted) == ("a job: processor time", None)
    assert not judged.more_is_better


def test_a_row_of_the_table():
    text = line(row("ns/call", [39.0, 41.0, 40.0], [50.0, 48.0, 50.0], ["at most", 1.0]))
    assert text == "| a read | peer | ns/call | 40.0 (39.0–41.0) | 50.0 (48.0–50.0) | 0.80 (0.78–0.85) | ≤ 1 | yes |\n"


def test_what_was_not_measured_is_seen():
    skipped = row("ns/call", None, None, ["at most", 1.0], skipped="it has not been built")
    assert "not measured: it has not been built" in line(skipped)
    assert Judged(skipped).met is None


def test_the_plot_is_xml_with_all_that_was_measured():
    rows = [
        row("ns/call", [40], [50], ["at most", 1.0]),
        row("ns/call", [1], [2], ["at most more", 10], what="a <write>"),
        row("KiB", [9], [8], what="at 1", series="memory", at=1, of="connections"),
        row("KiB", [90], [80], what="at 16", series="memory", at=16, of="connections"),
        row("ns/call", None, None, ["at most", 1.0], skipped="absent", what="absent"),
    ]
    picture = plot({"group": {"title": "A group", "rows": rows}})
    texts = [element.text for element in xml.etree.ElementTree.fromstring(picture).iter()]
    assert {"A group", "a read / peer", "a <write> / peer", "memory"} <= set(texts)
    assert not any(text and "absent" in text for text in texts)


def test_the_readme_shows_a_few_rows_that_were_measured():
    results = publish.load(publish.RESULTS)
    assert len(headlines(results)) == len(HEADLINES) <= 8
    published = publish.README.read_text().split(publish.BEGIN)[1].split(publish.END)[0]
    assert published.strip() == overview(results).strip()
    assert len(re.findall(r"^\| (?!what|---)", published, re.M)) == len(HEADLINES)


def test_the_rows_that_the_readme_leaves_out_are_counted():
    noisy = [50, *range(92, 100), 101, 500]
    rows = [
        row("ns/call", [1], [2], ["at most", 1.0], what="quick"),
        row("ns/call", [2], [1], ["at most", 1.0], what="slow"),
        row("requests/s", noisy, [100] * 11, ["at least", 1.0], what="noisy"),
        row("ns/call", None, None, ["at most", 1.0], skipped="it has not been built"),
        row("ns/call", [2], [1]),
    ]
    assert aims({"group": {"title": "A group", "rows": rows}}) == (
        "4 rows have an aim: 1 meet it, 1 miss it within noise, 1 miss it (slow / peer), "
        "1 were not measured.\n"
    )
