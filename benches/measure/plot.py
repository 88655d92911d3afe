"""The results as a picture."""

from bars import bars
from lines import charts
from svg import Svg


def plot(results):
    svg = Svg(960)
    end = bars(svg, results, 30)
    end = charts(svg, results, end)
    return svg.text(end + 10)
