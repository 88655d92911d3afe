"""The bars of the plot: how many times better than its peer each row with an aim is."""

from math import log

from judge import Judged
from table import number

LABELS = 480  # the width of what stands left of the bars
RIGHT = 60  # and right of them
ROW, HEADING = 18, 30
# From so many times worse to so many times better.
LEAST, MOST = 1 / 8, 32
MET, NOT_MET, AIM = "#2a7f62", "#c0492f", "#24292f"


def bars(svg, results, y):
    """Draws them, and returns where it ends."""
    svg.write(20, y, "How many times better than the peer (median; the thin line is the aim)", 15,
              weight="bold")
    y += 12
    for result in results.values():
        rows = [Judged(row) for row in result["rows"] if "wanted" in row and "skipped" not in row]
        if rows:
            y = group(svg, result["title"], rows, y + HEADING)
    return y


def group(svg, title, rows, y):
    svg.write(20, y, title, 13, weight="bold")
    bottom = y + 8 + len(rows) * ROW
    value = LEAST
    while value <= MOST:
        x = position(svg, value)
        svg.line(x, y + 6, x, bottom, width=2 if value == 1 else 1)
        svg.write(x, y, f"{value:g}×" if value >= 1 else f"1/{1 / value:g}", 10, "middle")
        value *= 2
    for index, judged in enumerate(rows):
        bar(svg, judged, y + 8 + index * ROW)
    return bottom


def bar(svg, judged, y):
    svg.write(LABELS - 10, y + 12, f"{judged.what} / {judged.against}", 11, "end")
    end = position(svg, judged.advantage)
    svg.bar(position(svg, 1), end, y + 3, ROW - 6, MET if judged.met else NOT_MET)
    aim = judged.wanted_ratio if judged.more_is_better else 1 / judged.wanted_ratio
    svg.line(position(svg, aim), y, position(svg, aim), y + ROW, AIM, 1.5)
    svg.write(svg.width - RIGHT + 50, y + 12, f"{number(judged.advantage)}×", 11, "end")


def position(svg, advantage):
    """Twice as good is as far from the middle as half as good."""
    part = log(min(max(advantage, LEAST), MOST) / LEAST) / log(MOST / LEAST)
    return LABELS + part * (svg.width - LABELS - RIGHT)
