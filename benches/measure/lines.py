"""The lines of the plot: what a call and a connection cost as they become more."""

from math import log10

from judge import Judged
from table import number

HEIGHT = 150
LEFT, GAP = 70, 30  # left of a chart there are its numbers
OURS, THEIRS = "#2a7f62", "#7a5ea8"


def series(results):
    """The rows that belong to one line, by its name."""
    found = {}
    for result in results.values():
        for row in result["rows"]:
            if "series" in row and "skipped" not in row:
                found.setdefault(row["series"], []).append(row)
    return found


def charts(svg, results, y):
    """Draws them, two beside each other, and returns where it ends."""
    y += 10
    width = (svg.width - 2 * GAP) / 2
    for index, (name, rows) in enumerate(series(results).items()):
        x = GAP + (index % 2) * width
        if index % 2 == 0:
            y += 50
        chart(svg, name, rows, x, y, width - GAP)
        if index % 2 == 1:
            y += HEIGHT + 30
    return y + (HEIGHT + 30 if len(series(results)) % 2 else 0)


def chart(svg, name, rows, x, y, width):
    judged = [Judged(row) for row in rows]
    values = [value for each in judged for value in (each.ours, each.theirs)]
    top = ceiling(max(values))
    svg.write(x, y - 22, name, 13, weight="bold")
    svg.write(x, y - 7, f"{judged[0].unit} by {rows[0]['of']}:", 11)
    svg.write(x + 160, y - 7, "ours", 11, colour=OURS)
    svg.write(x + 200, y - 7, judged[0].against, 11, colour=THEIRS)
    left, bottom = x + LEFT, y + HEIGHT
    for step in range(5):
        height = bottom - step * HEIGHT / 4
        svg.line(left, height, x + width, height)
        svg.write(left - 6, height + 4, number(top * step / 4), 10, "end")
    places = [
        left + 15 + index * (width - LEFT - 30) / max(1, len(rows) - 1)
        for index in range(len(rows))
    ]
    for place, row in zip(places, rows):
        svg.write(place, bottom + 14, str(row["at"]), 10, "middle")
    for side, colour in (("theirs", THEIRS), ("ours", OURS)):
        heights = [bottom - getattr(each, side) / top * HEIGHT for each in judged]
        svg.path(list(zip(places, heights)), colour)


def ceiling(value):
    """The next round number."""
    power = 10 ** int(log10(value)) if value >= 1 else 1
    return next(step * power for step in (1, 2, 4, 6, 8, 10, 20) if step * power >= value)
