"""Error against κ as an inline SVG: one panel for each target."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pinvx_conformance._bounds import PINV, eps_of
from pinvx_conformance._check import Outcome

WIDTH, HEIGHT = 300, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 30
DECADES_X, DECADES_Y = (0, 13), (-2, 16)
# p of the shapes that most recipes have.
USUAL_P = 12


def _x(kappa: float) -> float:
    low, high = DECADES_X
    share = (math.log10(max(kappa, 1.0)) - low) / (high - low)
    return LEFT + min(max(share, 0), 1) * (WIDTH - LEFT - RIGHT)


def _y(ulps: float) -> float:
    low, high = DECADES_Y
    share = (math.log10(max(ulps, 10.0**low)) - low) / (high - low)
    return HEIGHT - BOTTOM - min(max(share, 0), 1) * (HEIGHT - TOP - BOTTOM)


def points(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes that have a forward error to show."""
    return [o for o in outcomes if o.check == "forward_error" and o.status != "n/a"]


def error_against_kappa(outcomes: Sequence[Outcome], title: str) -> str:
    """Draw ‖X − A⁺‖/‖A⁺‖ in units of eps; the line is the bound at p = 12."""
    marks = []
    for o in outcomes:
        ulps = o.value / eps_of(o.dtype)
        kind = "single" if eps_of(o.dtype) > 1e-10 else "double"
        broken = " broken" if o.status == "fail" else ""
        radius = 3.4 if broken else 2.4
        tip = f"{o.label}: κ = {o.kappa:.2g}, error {o.value:.2g}, {o.units:.2g} of the bound"
        place = f'cx="{_x(o.kappa):.1f}" cy="{_y(ulps):.1f}" r="{radius}"'
        marks.append(
            f'<circle class="{kind}{broken}" {place}><title>{_escape(tip)}</title></circle>'
        )
    line = [(k, PINV * USUAL_P * 10.0**k) for k in DECADES_X]
    path = " ".join(f"{_x(10.0**k):.1f},{_y(v):.1f}" for k, v in line)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_escape(title)}">'
        f'{_axes()}<polyline class="bound" points="{path}"/>{"".join(marks)}</svg>'
    )


def _axes() -> str:
    parts = []
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for k in (0, 4, 8, 12):
        x = _x(10.0**k)
        parts.append(f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 12}" text-anchor="middle">{_power(k)}</text>')
    for k in (0, 4, 8, 12, 16):
        y = _y(10.0**k)
        parts.append(f'<line class="tick" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 5}" y="{y + 3:.1f}" text-anchor="end">{_power(k)}</text>')
    middle = (LEFT + right) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">κ</text>')
    return "".join(parts)


def _power(k: int) -> str:
    digits = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "1" if k == 0 else "10" + str(k).translate(digits)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
