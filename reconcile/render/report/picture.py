"""Small pictures as inline SVG: isolated margin against declared with its marks, and liquidation distance over time.

Coordinates are whole pixels, computed from exact amounts. Colours are classes of the page's style sheet, so one picture
serves light, dark and paper. No meaning depends on a colour alone: each kind of mark has its own form. The axis of
amounts begins at zero, or is marked as cut where a small change would not show. Both pictures fit a phone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from itertools import pairwise

from reconcile.model.measures import Measure, Thresholds
from reconcile.model.report_page import AddressPicture, Mark, Point
from reconcile.money import ZERO, minus, plain, plus
from reconcile.render.common.values import clean, percent, price, rfc3339

WIDTH, HEIGHT = 400, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 10, 12, 28
_MARK = 5
_ROOM = Decimal("0.08")
_LEVEL = Decimal("0.02")
_CUT_BELOW = Decimal("0.25")
"""The axis is cut where all values lie within this share of the highest."""
_NONE = '<p class="none">The exchange told no liquidation price in this period.</p>'

_Value = tuple[int, Decimal | None]
"""A time, and the value from then on; None: none."""


def text(words: str) -> str:
    """Text from outside as inert HTML, for text and for attributes in double quotes."""
    return escape(clean(words), quote=True)


def moment(time_ms: int) -> str:
    """A time to the second, in UTC, as the whole page writes it."""
    return rfc3339(time_ms)[:19].replace("T", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The times and values that the picture spans; ``is_cut``: its axis does not begin at zero."""

    start: int
    end: int
    low: Decimal
    high: Decimal
    is_cut: bool = False

    def x(self, at_ms: int) -> int:
        """From the left, in pixels."""
        span = max(self.end - self.start, 1)
        inside = min(max(at_ms, self.start), self.end) - self.start
        return _LEFT + inside * (WIDTH - _LEFT - _RIGHT) // span

    def y(self, value: Decimal) -> int:
        """From the top, in pixels."""
        share = minus(self.high, value) / minus(self.high, self.low)
        return _TOP + int(share * (HEIGHT - _TOP - _BOTTOM))


def margin(picture: AddressPicture) -> str:
    """Isolated margin as a line, declared as a dashed one in its band of tolerance, each apply and drift marked."""
    points = picture.points
    margins: list[_Value] = [(each.at_ms, None if each.is_closed else each.margin) for each in points]
    declared: list[_Value] = [(each.at_ms, each.declared) for each in points]
    bands = [(each.at_ms, *_band(each)) for each in points]
    values = [value for _, value in (*margins, *declared) if value is not None] + [
        mark.margin for mark in picture.marks
    ]
    values += [edge for _, low, high in bands for edge in (low, high) if edge is not None]
    frame = _frame(points, values)
    parts = [
        _tolerance(frame, bands),
        _axes(frame, price),
        _steps(frame, declared, "declared"),
        _steps(frame, margins, "margin"),
        *(_closed(frame, at_ms) for at_ms in _closings(points)),
        *(_mark(frame, mark) for mark in picture.marks),
    ]
    last = points[-1]
    stands = "closed" if last.is_closed else f"last {plain(last.margin)} {picture.asset}"
    return _svg(f"{picture.address}: isolated margin, {stands}{', axis cut' if frame.is_cut else ''}", parts)


def distance(picture: AddressPicture) -> str:
    """The distance of liquidation price from mark price, with its declared band; no line while no position was
    there. A band without a ceiling ends where the picture does."""
    looked = [each for each in picture.points if each.distance is not None or each.is_closed]
    seen = [each.distance for each in looked if each.distance is not None]
    if not seen:
        return _NONE
    bounds = [(each.at_ms, _distances(each)) for each in picture.points]
    edges = [edge for _, band in bounds if band is not None for edge in (band.target, band.ceiling) if edge is not None]
    frame = _frame(picture.points, [ZERO, *seen, *edges])
    parts = [
        _tolerance(frame, [(at_ms, *_inside(frame, band)) for at_ms, band in bounds]),
        _axes(frame, percent),
        _steps(frame, [(at_ms, None if band is None else band.target) for at_ms, band in bounds], "declared"),
        _steps(frame, [(each.at_ms, each.distance) for each in looked], "distance"),
    ]
    declared = _declared(bounds[-1][1])
    return _svg(f"{picture.address}: distance to liquidation, last {percent(seen[-1])}{declared}", parts)


def _declared(band: Thresholds | None) -> str:
    if band is None:
        return ""
    return f", declared {percent(band.floor)} {'or more' if band.ceiling is None else f'to {percent(band.ceiling)}'}"


def _distances(point: Point) -> Thresholds | None:
    """The declared bounds of the distance; None where none are, or no position is there."""
    band = None if point.is_closed else point.band
    return band.bounds if band is not None and band.measure is Measure.LIQUIDATION_DISTANCE else None


def _inside(frame: _Frame, band: Thresholds | None) -> tuple[Decimal | None, Decimal | None]:
    """The edges of a declared distance in a picture; None where none is declared."""
    if band is None:
        return None, None
    return band.floor, frame.high if band.ceiling is None else band.ceiling


def _band(point: Point) -> tuple[Decimal | None, Decimal | None]:
    """The band of margin that is not drift; None where nothing is declared or no tolerance is told."""
    if point.declared is None or point.tolerance is None:
        return None, None
    return minus(point.declared, point.tolerance), plus(point.declared, point.tolerance)


def _frame(points: Sequence[Point], values: Sequence[Decimal]) -> _Frame:
    """From zero; where all values lie close together, cut, with room above and below and a level line in the middle."""
    low, high = min(values, default=ZERO), max(values, default=ZERO)
    is_cut = low > 0 and minus(high, low) < high * _CUT_BELOW
    room = (minus(high, low) if is_cut else high if low >= 0 else minus(high, low)) * _ROOM
    room = room or abs(high) * _LEVEL or Decimal(1)
    floor = max(ZERO, minus(low, room)) if is_cut else ZERO if low >= 0 else minus(low, room)
    return _Frame(
        start=points[0].at_ms, end=points[-1].at_ms, low=floor, high=plus(high, room), is_cut=is_cut and floor > 0
    )


def _axes(frame: _Frame, shown: Callable[[Decimal], str]) -> str:
    left, right, bottom = _LEFT, WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for value in (frame.high, (frame.high + frame.low) / 2, frame.low):
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="scale" x="{left - 6}" y="{y + 4}" text-anchor="end">{text(_short(value, shown))}</text>'
        )
    if frame.is_cut:
        zigzag = f"M{left} {bottom - 14}l5 3l-10 4l5 3V{bottom}"
        parts.append(f'<g><title>This axis does not begin at zero.</title><path class="cut" d="{zigzag}"/></g>')
        parts.append(f'<text class="scale" x="{left + 9}" y="{bottom - 5}">axis cut</text>')
    start, end = (moment(at)[:16] for at in (frame.start, frame.end))
    parts.append(f'<text class="scale" x="{left}" y="{bottom + 19}">{start}</text>')
    if frame.end > frame.start:
        parts.append(f'<text class="scale" x="{right}" y="{bottom + 19}" text-anchor="end">{end}</text>')
    return "".join(parts)


def _short(value: Decimal, shown: Callable[[Decimal], str]) -> str:
    """A round number for a scale: four digits are enough to read a line by."""
    return shown(Decimal(f"{value:.4g}")) if value else shown(ZERO)


def _stretches(frame: _Frame, values: Iterable[_Value]) -> list[tuple[list[tuple[int, Decimal]], int]]:
    """The values without their gaps: each stretch with its end in pixels, level until the next value was seen."""
    found: list[tuple[list[tuple[int, Decimal]], int]] = []
    now: list[tuple[int, Decimal]] = []
    for at_ms, value in values:
        if value is not None:
            now.append((frame.x(at_ms), value))
        elif now:
            found.append((now, frame.x(at_ms)))
            now = []
    return [*found, (now, frame.x(frame.end))] if now else found


def _steps(frame: _Frame, values: Iterable[_Value], kind: str) -> str:
    """A line that stays level until the next value was seen, broken where there is none."""
    path = ""
    for stretch, end in _stretches(frame, values):
        (x, value), *rest = stretch
        path += f"M{x} {frame.y(value)}" + "".join(f"H{at}V{frame.y(each)}" for at, each in rest) + f"H{end}"
    return f'<path class="{kind}" d="{path}"/>' if path else ""


def _tolerance(frame: _Frame, bands: Sequence[tuple[int, Decimal | None, Decimal | None]]) -> str:
    """The band of what is declared, above and below."""
    lows = _stretches(frame, [(at_ms, low) for at_ms, low, _ in bands])
    highs = _stretches(frame, [(at_ms, high) for at_ms, _, high in bands])
    path = ""
    for (low, end), (high, _) in zip(lows, highs, strict=True):
        (x, first), *rest = high
        path += f"M{x} {frame.y(first)}" + "".join(f"H{at}V{frame.y(each)}" for at, each in rest) + f"H{end}"
        last = low[-1][1]
        path += f"V{frame.y(last)}"
        for (at, _), (_, before) in zip(reversed(low[1:]), reversed(low[:-1]), strict=True):
            path += f"H{at}V{frame.y(before)}"
        path += f"H{x}Z"
    return f'<path class="band" d="{path}"/>' if path else ""


def _closings(points: Sequence[Point]) -> list[int]:
    """The times at which a position was closed."""
    return [now.at_ms for before, now in pairwise(points) if now.is_closed and not before.is_closed]


def _closed(frame: _Frame, at_ms: int) -> str:
    x, bottom = frame.x(at_ms), HEIGHT - _BOTTOM
    title = text(f"{moment(at_ms)} closed: no isolated position from here on")
    return f'<g><title>{title}</title><path class="closed" d="M{x} {_TOP}V{bottom}"/></g>'


def _mark(frame: _Frame, mark: Mark) -> str:
    x, y, r = frame.x(mark.at_ms), frame.y(mark.margin), _MARK
    forms = {
        "applied": f'<circle class="applied" cx="{x}" cy="{y}" r="{r}"/>',
        "drift": f'<path class="drift" d="M{x} {y - r - 1}L{x + r + 1} {y}L{x} {y + r + 1}L{x - r - 1} {y}Z"/>',
        "unclear": f'<path class="unclear" d="M{x - r} {y - r}L{x + r} {y + r}M{x - r} {y + r}L{x + r} {y - r}"/>',
    }
    return f"<g><title>{text(f'{moment(mark.at_ms)} {mark.text}')}</title>{forms[mark.kind]}</g>"


def _svg(label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(label)}">'
        f"<title>{text(label)}</title>{''.join(parts)}</svg>"
    )
