"""The benchmarks' own arithmetic: which way a ratio is good, and what the published pages say."""

import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benches/measure"))

from judge import Judged  # noqa: E402
from plot import plot  # noqa: E402
from table import line  # noqa: E402


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
        # Medians, not means: one disturbed round is not to count.
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
