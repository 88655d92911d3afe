"""As much of SVG as the plot needs."""

from xml.sax.saxutils import escape

TEXT, GRID = "#24292f", "#d8dee4"


class Svg:
    """A picture that is written from the top to the bottom; only then is its height known."""

    def __init__(self, width):
        self.width = width
        self.parts = []

    def write(self, x, y, text, size=12, anchor="start", weight="normal", colour=TEXT):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'font-weight="{weight}" fill="{colour}">{escape(text)}</text>'
        )

    def line(self, x1, y1, x2, y2, colour=GRID, width=1.0):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{colour}" stroke-width="{width}"/>'
        )

    def bar(self, x1, x2, y, height, colour):
        self.parts.append(
            f'<rect x="{min(x1, x2):.1f}" y="{y:.1f}" width="{abs(x2 - x1):.1f}" '
            f'height="{height}" fill="{colour}"/>'
        )

    def path(self, points, colour):
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        for x, y in points:
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')

    def text(self, height):
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{height:.0f}" '
            f'viewBox="0 0 {self.width} {height:.0f}" font-family="sans-serif">\n'
            f'<rect width="{self.width}" height="{height:.0f}" fill="white"/>\n'
            + "\n".join(self.parts)
            + "\n</svg>\n"
        )
