"""Small pictures as inline SVG: isolated margin against declared with its marks, and liquidation distance over time.

Coordinates are whole pixels, computed from exact amounts. Colours are classes that the page's style sheet gives, so one
picture serves light, dark and paper; no meaning is in a colour alone, each kind of mark has its own form.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from reconcile.model.reports import AddressPicture, Mark, Point
from reconcile.money import ZERO, minus, plain
from reconcile.render.values import clean, percent, price, rfc3339

WIDTH, NARROW, HEIGHT = 640, 420, 170
"""The page gives the two pictures widths in this proportion, so that both have the same scale."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 12, 12, 26
_MARK = 5
_ROOM = Decimal("0.08")
_LEVEL = Decimal("0.02")
_NONE = '<p class="none">The exchange told no liquidation price in this period.</p>'


def text(words: str) -> str:
    """Somebody else's words as inert HTML, for text and for attributes in double quotes."""
    return escape(clean(words), quote=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """Which times and values the picture spans, and how wide it is."""

    width: int
    start: int
    end: int
    low: Decimal
    high: Decimal

    def x(self, at_ms: int) -> int:
        """From the left, in pixels."""
        span = max(self.end - self.start, 1)
        inside = min(max(at_ms, self.start), self.end) - self.start
        return _LEFT + inside * (self.width - _LEFT - _RIGHT) // span

    def y(self, value: Decimal) -> int:
        """From the top, in pixels."""
        share = minus(self.high, value) / minus(self.high, self.low)
        return _TOP + int(share * (HEIGHT - _TOP - _BOTTOM))


def margin(picture: AddressPicture) -> str:
    """Isolated margin as a line, declared as a dashed one, each apply and drift marked."""
    declared = [point.declared for point in picture.points if point.declared is not None]
    values = [point.margin for point in picture.points] + declared + [mark.margin for mark in picture.marks]
    frame = _frame(picture.points, values, WIDTH)
    parts = [
        _axes(frame, price),
        _steps(
            frame, [(each.at_ms, each.declared) for each in picture.points if each.declared is not None], "declared"
        ),
        _steps(frame, [(each.at_ms, each.margin) for each in picture.points], "margin"),
        *(_mark(frame, mark) for mark in picture.marks),
    ]
    last = picture.points[-1]
    label = f"{picture.address}: isolated margin, last {plain(last.margin)} {picture.asset}"
    return _svg(label, parts, WIDTH)


def distance(picture: AddressPicture) -> str:
    """How far the liquidation price was from the mark price."""
    seen = [(point.at_ms, point.distance) for point in picture.points if point.distance is not None]
    if not seen:
        return _NONE
    frame = _frame(picture.points, [ZERO, *(value for _, value in seen)], NARROW)
    label = f"{picture.address}: distance to liquidation, last {percent(seen[-1][1])}"
    return _svg(label, [_axes(frame, percent), _steps(frame, list(seen), "distance")], NARROW)


def _frame(points: Sequence[Point], values: Sequence[Decimal], width: int) -> _Frame:
    """With room above and below; a level line stands in the middle."""
    low, high = min(values), max(values)
    room = minus(high, low) * _ROOM or abs(high) * _LEVEL or Decimal(1)
    floor = max(ZERO, minus(low, room)) if low >= 0 else minus(low, room)
    return _Frame(width=width, start=points[0].at_ms, end=points[-1].at_ms, low=floor, high=high + room)


def _axes(frame: _Frame, shown: Callable[[Decimal], str]) -> str:
    left, right, bottom = _LEFT, frame.width - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for value in (frame.high, (frame.high + frame.low) / 2, frame.low):
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="scale" x="{left - 6}" y="{y + 4}" text-anchor="end">{text(_short(value, shown))}</text>'
        )
    start, end = (rfc3339(at)[:16].replace("T", " ") for at in (frame.start, frame.end))
    parts.append(f'<text class="scale" x="{left}" y="{bottom + 17}">{start}</text>')
    if frame.end > frame.start:
        parts.append(f'<text class="scale" x="{right}" y="{bottom + 17}" text-anchor="end">{end}</text>')
    return "".join(parts)


def _short(value: Decimal, shown: Callable[[Decimal], str]) -> str:
    """A round number for a scale: four digits are enough to read a line by."""
    return shown(Decimal(f"{value:.4g}")) if value else shown(ZERO)


def _steps(frame: _Frame, values: Sequence[tuple[int, Decimal]], kind: str) -> str:
    """A line that stays level until the next value was seen, and to the end of the picture."""
    if not values:
        return ""
    path = f"M{frame.x(values[0][0])} {frame.y(values[0][1])}"
    for at_ms, value in values[1:]:
        path += f"H{frame.x(at_ms)}V{frame.y(value)}"
    return f'<path class="{kind}" d="{path}H{frame.x(frame.end)}"/>'


def _mark(frame: _Frame, mark: Mark) -> str:
    x, y, r = frame.x(mark.at_ms), frame.y(mark.margin), _MARK
    forms = {
        "applied": f'<circle class="applied" cx="{x}" cy="{y}" r="{r}"/>',
        "drift": f'<path class="drift" d="M{x} {y - r - 1}L{x + r + 1} {y}L{x} {y + r + 1}L{x - r - 1} {y}Z"/>',
        "unclear": f'<path class="unclear" d="M{x - r} {y - r}L{x + r} {y + r}M{x - r} {y + r}L{x + r} {y - r}"/>',
    }
    return f"<g><title>{text(f'{rfc3339(mark.at_ms)} {mark.text}')}</title>{forms[mark.kind]}</g>"


def _svg(label: str, parts: Sequence[str], width: int) -> str:
    return (
        f'<svg viewBox="0 0 {width} {HEIGHT}" role="img" aria-label="{text(label)}">'
        f"<title>{text(label)}</title>{''.join(parts)}</svg>"
    )
