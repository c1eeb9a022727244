#!/usr/bin/env python3
"""Draws the two pictures of the documents anew: `guilloche.svg` and `seal.svg`. Run by hand after a change
(fontTools 4 is needed); the build takes the files as they lie here.

The seal's words are outlines, so that a reader of the text meets them once, where they are set.
"""
from math import cos, sin, pi, tau
from pathlib import Path

from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont

HERE = Path(__file__).parent
FONT = TTFont(HERE.parent / "fonts" / "NotoSansSC-Bold.ttf")
GLYPHS, CMAP, EM = FONT.getGlyphSet(), FONT.getBestCmap(), FONT["head"].unitsPerEm
AUTHORITY = "国（境）外学历学位认证服务平台"


def curve(point, slope, start, end, steps):
    """A smooth path through a parametric curve, by Hermite's form."""
    width = (end - start) / steps
    parts = []
    for step in range(steps):
        t, u = start + step * width, start + (step + 1) * width
        (x, y), (dx, dy), (p, q), (dp, dq) = point(t), slope(t), point(u), slope(u)
        if step == 0:
            parts.append(f"M{x:.2f} {y:.2f}")
        w = width / 3
        parts.append(f"C{x + dx * w:.2f} {y + dy * w:.2f} {p - dp * w:.2f} {q - dq * w:.2f} {p:.2f} {q:.2f}")
    return "".join(parts)


def wave(x0, y0, length, height, waves, phase, upright=False):
    k = waves * tau / length

    def turn(pair):
        return (pair[1], pair[0]) if upright else pair

    def point(t):
        px, py = turn((t, height * sin(k * t + phase)))
        return x0 + px, y0 + py

    def slope(t):
        return turn((1, height * k * cos(k * t + phase)))

    return curve(point, slope, 0, length, waves * 2)


def rosette(cx, cy, radius, depth, petals, phase):
    def r(t):
        return radius * (1 + depth * cos(petals * t + phase))

    def point(t):
        return cx + r(t) * cos(t), cy + r(t) * sin(t)

    def slope(t):
        d = -radius * depth * petals * sin(petals * t + phase)
        return d * cos(t) - r(t) * sin(t), d * sin(t) + r(t) * cos(t)

    return curve(point, slope, 0, tau, petals * 3) + "Z"


def guilloche():
    w, h, edge = 210, 297, 12
    lines = []
    for each in range(4):
        phase = each * pi / 4
        for y in (edge, h - edge):
            lines.append((wave(edge, y, w - 2 * edge, 2.6, 24, phase), "#8fb0b8"))
        for x in (edge, w - edge):
            lines.append((wave(x, edge, h - 2 * edge, 2.6, 36, phase, True), "#8fb0b8"))
    for each in range(7):
        phase = each * tau / 7
        lines.append((rosette(w / 2, 152, 62, 0.22, 9, phase), "#eef2ee"))
        lines.append((rosette(w / 2, 152, 34, 0.3, 12, phase), "#eef2ee"))
    paths = "".join(f'<path d="{d}" stroke="{colour}"/>' for d, colour in lines)
    frame = "".join(
        f'<rect x="{i}" y="{i}" width="{w - 2 * i}" height="{h - 2 * i}" stroke="#12313f" stroke-width="{s}"/>'
        for i, s in ((8.2, 0.5), (15.8, 0.25))
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" fill="none" stroke-width="0.22">{paths}{frame}</svg>\n'


def glyph(character, scale, matrix):
    """The outline of one character, its middle at the origin, then moved by `matrix` (cos, sin, x, y)."""
    name = CMAP[ord(character)]
    glyph_ = GLYPHS[name]
    pen = SVGPathPen(GLYPHS, ntos=lambda value: f"{value:.2f}".rstrip("0").rstrip("."))
    c, s, x, y = matrix
    k = scale / EM
    # Fonts count upwards, pictures downwards.
    middle, centre = glyph_.width / 2, EM * 0.38
    a, b, cc, d = k * c, k * s, k * s, -k * c
    pen_ = TransformPen(pen, (a, b, cc, d, x - a * middle - cc * centre, y - b * middle - d * centre))
    glyph_.draw(pen_)
    return pen.getCommands()


def seal():
    size, red = 200, "#b3261e"
    shapes = []
    count, span = len(AUTHORITY), 1.5 * pi
    for place, character in enumerate(AUTHORITY):
        angle = -pi / 2 - span / 2 + span * (place + 0.5) / count
        turn = angle + pi / 2
        shapes.append(glyph(character, 23, (cos(turn), sin(turn), 100 + 73 * cos(angle), 100 + 73 * sin(angle))))
    below = "电子签发"
    for place, character in enumerate(below):
        shapes.append(glyph(character, 17, (1, 0, 100 + (place - 1.5) * 19, 150)))
    words = f'<path fill="{red}" d="{"".join(shapes)}"/>'
    rings = f'<circle cx="100" cy="100" r="94" stroke-width="5"/><circle cx="100" cy="100" r="88" stroke-width="1.4"/>'
    inner = "".join(f'<path d="{rosette(100, 98, 30, 0.32, 8, each * tau / 5)}" stroke-width="0.8"/>' for each in range(5))
    tick = '<path d="M84 98l11 12 22-25" stroke-width="6" stroke-linecap="round" stroke-linejoin="round"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" fill="none" stroke="{red}">'
        f"{rings}{inner}{tick}<g stroke=\"none\">{words}</g></svg>\n"
    )


if __name__ == "__main__":
    (HERE / "guilloche.svg").write_text(guilloche())
    (HERE / "seal.svg").write_text(seal())
