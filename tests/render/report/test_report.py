"""The report's page shows what the journal holds, in a real browser where there is one, and is inert."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reconcile.audit.reporting import MOST_POINTS, make_report
from reconcile.audit.run_log import Filter, log
from reconcile.errors import InputError
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import IntentStatus
from reconcile.model.measures import Measure, MeasureBounds, Thresholds
from reconcile.model.report_page import AddressPicture, Mark, Point, Report
from reconcile.render.common.values import signed_text as shown_change
from reconcile.render.report import picture
from reconcile.render.report.html import page
from tests.kit.audit_month import BEGUN_MS, HOSTILE, HOUR_MS, LONG, SHORT, Calendar, Desk, a_month
from tests.kit.journals import inline

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)
SECONDS = 90


class Page(HTMLParser):
    """What a page holds: its tables as rows of cells, its pictures' marks, its tags and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.marks: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        kinds = dict(attrs).get("class") or ""
        if tag in {"circle", "path"} and "g" in self._inside:
            self.marks.append(kinds)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag in {"g", "title", "style", "td", "th"}:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if "style" in self._inside:
            return
        self.words += data
        if {"td", "th"} & set(self._inside):
            self.rows[-1][-1] += data

    def row(self, *cells: str) -> bool:
        """Whether one row holds all of these, each in a cell of its own."""
        return any(all(any(cell in each for each in row) for cell in cells) for row in self.rows)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Report:
    clock = Calendar()
    store = FileStore(tmp_path_factory.mktemp("month"), SystemDisk(), clock, inline)
    a_month(store, clock)
    return make_report(store, Filter(), now_ms=clock.wall_ms())


@pytest.fixture(scope="module")
def shown(month: Report, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page as a browser has it when it has read it; where there is none, the page as it is written."""
    text = page(month)
    if BROWSER is None:
        return Page(text)
    folder = tmp_path_factory.mktemp("browser")
    (folder / "report.html").write_text(text, encoding="utf-8")
    words = [BROWSER, *QUIET, f"--user-data-dir={folder / 'profile'}", "--dump-dom", (folder / "report.html").as_uri()]
    done = subprocess.run(words, capture_output=True, timeout=SECONDS, check=True)
    return Page(done.stdout.decode("utf-8"))


def test_the_page_shows_every_movement_that_the_journal_holds(month: Report, shown: Page) -> None:
    (account,) = month.accounts

    assert len(account.movements) == 51
    for movement in account.movements:
        change = "?" if movement.change is None else shown_change(movement.change)
        assert shown.row(movement.at[:19].replace("T", " "), movement.address, movement.cause, change, movement.run_id)


def test_the_page_shows_who_and_why(shown: Page) -> None:
    assert shown.row("+606.85", "bob", "risk asked for more", "1493.15", "2100", "applied")
    assert shown.row("−241.37", "unexplained", "drift")


def test_each_apply_drift_and_doubt_has_its_mark(shown: Page) -> None:
    marks = [mark for mark in shown.marks if mark != "cut"]
    assert sorted(marks) == ["applied", "applied", "applied", "drift", "unclear"]
    assert "+249.59 USDT applied, run run0008" in shown.words
    assert "−241.37 USDT unexplained, 1491.78 → 1250.41" in shown.words


def test_each_address_has_both_pictures_and_its_numbers(shown: Page) -> None:
    lines = [
        value for name, value in shown.attributes if name == "class" and value in {"margin", "declared", "distance"}
    ]

    assert [lines.count(kind) for kind in ("margin", "declared", "distance")] == [3, 3, 3]  # with the legend's
    assert "2083.56 USDT · declared 2100 · 20.8% from liquidation" in shown.words
    assert all(place in shown.words for place in (LONG, SHORT))


def coordinates(picture_of: str, kind: str) -> list[tuple[float, float]]:
    """The corners of a line or band made of M, H and V."""
    (path,) = re.findall(rf'<path class="{kind}" d="([^"]+)"', picture_of)
    corners, x, y = [], 0.0, 0.0
    for letter, numbers in re.findall(r"([MHVZ])([0-9. ]*)", path):
        values = [float(number) for number in numbers.split()]
        match letter:
            case "M":
                x, y = values
            case "H":
                (x,) = values
            case "V":
                (y,) = values
        corners.append((x, y))
    return corners


def address_of(*points: Point, marks: Sequence[Mark] = ()) -> AddressPicture:
    return AddressPicture(address=LONG, asset="USDT", points=points, marks=tuple(marks))


def point(at_ms: int, margin: str, declared: str | None = None, tolerance: str | None = None, **more: Any) -> Point:
    return Point(
        at_ms=at_ms,
        margin=Decimal(margin),
        declared=None if declared is None else Decimal(declared),
        tolerance=None if tolerance is None else Decimal(tolerance),
        **more,
    )


def scale(picture_of: str) -> list[str]:
    return re.findall(r'text-anchor="end">([^<]+)</text>', picture_of)[:3]


def test_the_axis_begins_at_zero_where_changes_show() -> None:
    shown = picture.margin(address_of(point(0, "1000"), point(10, "1500")))

    assert (scale(shown)[2], "axis cut" in shown) == ("0", False)


def test_an_axis_that_does_not_begin_at_zero_is_marked_as_cut() -> None:
    shown = picture.margin(address_of(point(0, "1500", "1500", "7.5"), point(10, "1510", "1500", "7.5")))

    assert scale(shown) == ["1511", "1501", "1491"]
    assert ">axis cut</text>" in shown
    assert "This axis does not begin at zero." in shown
    assert 'aria-label="BTCUSDT.long: isolated margin, last 1510 USDT, axis cut"' in shown


def test_the_tolerance_is_a_band_around_what_is_declared() -> None:
    shown = picture.margin(address_of(point(0, "1500", "1500", "10"), point(10, "1500", "1500", "10")))
    band, line = coordinates(shown, "band"), coordinates(shown, "declared")

    heights = sorted({y for _, y in band})
    assert heights[0] < line[0][1] < heights[-1]
    assert abs(heights[0] + heights[-1] - 2 * line[0][1]) <= 1
    assert ({x for x, _ in band}) == {x for x, _ in line}


def test_without_a_tolerance_there_is_no_band_and_undeclared_there_is_no_line() -> None:
    shown = picture.margin(address_of(point(0, "1500", "1500"), point(10, "1500"), point(20, "1500")))

    assert 'class="band"' not in shown
    assert [x for x, _ in coordinates(shown, "declared")] == [66, 228]


def test_a_closed_position_ends_its_lines_and_is_called_closed() -> None:
    points = (point(0, "1500", distance=Decimal("0.2")), point(10, "0", is_closed=True), point(20, "0", is_closed=True))
    closed = address_of(*points)
    shown = picture.margin(closed)

    assert closed.closed_ms == 10
    assert [x for x, _ in coordinates(shown, "margin")] == [66, 228]
    assert [x for x, _ in coordinates(picture.distance(closed), "distance")] == [66, 228]
    assert "1970-01-01 00:00:00 closed: no isolated position from here on" in shown
    assert 'aria-label="BTCUSDT.long: isolated margin, closed' in shown
    assert address_of(*points, point(30, "5")).closed_ms is None


def test_a_position_that_was_closed_is_shown_as_closed(tmp_path: Path) -> None:
    clock = Calendar()
    store = FileStore(tmp_path, SystemDisk(), clock, inline)
    desk = Desk(store=store, clock=clock)
    desk.apply()
    desk.margins.pop(SHORT)
    desk.wait(1)
    closed_ms = clock.wall_ms()
    desk.apply()
    desk.wait(1)
    desk.apply()

    words = Page(page(make_report(store, Filter(), now_ms=clock.wall_ms()))).words
    later = make_report(store, Filter(since_ms=closed_ms + 1_000), now_ms=clock.wall_ms())

    at = picture.moment(closed_ms)
    assert f"{SHORT}closed no isolated position since {at} · declared 900.5" in words
    assert f"{LONG}1200 USDT" in words
    assert [each.address for each in later.accounts[0].addresses] == [LONG]


def test_what_moved_is_summed_by_cause(month: Report, shown: Page) -> None:
    totals = month.accounts[0].totals

    assert [(each.cause, each.actor, each.movements) for each in totals] == [
        ("reconcile", "alice", 2),
        ("reconcile", "bob", 1),
        ("unexplained", "", 46),
    ]
    assert shown.row("reconcile", "bob", "606.85", "+606.85", "USDT")
    assert shown.words.index("By cause") < shown.words.index(f"{LONG}2083.56")


def test_every_time_on_the_page_is_written_alike_and_called_utc_once(shown: Page) -> None:
    assert "All times are UTC." in shown.words
    assert shown.words.count("UTC") == 1
    assert not re.search(r"\d{2}T\d{2}:|\d{2}Z\b", shown.words)


def test_on_a_phone_each_row_is_a_card_with_its_columns_names(shown: Page) -> None:
    text = page(Report(accounts=(), since_ms=None, until_ms=0, made_ms=0))

    assert "@media screen and (max-width: 760px)" in text
    assert "content: attr(data-name)" in text
    names = [value for name, value in shown.attributes if name == "data-name"]
    assert names[:6] == ["Account", "Where", "Runs", "Movements", "Unresolved", "Chain"]


@pytest.mark.skipif(BROWSER is None, reason="no browser is here")
def test_a_phone_shows_all_of_the_page_without_scrolling_sideways(month: Report, tmp_path: Path) -> None:
    """In a frame as wide as a phone, nothing reaches beyond it, and the scales can be read."""
    assert BROWSER is not None
    (tmp_path / "report.html").write_text(page(month), encoding="utf-8")
    (tmp_path / "phone.html").write_text(PHONE, encoding="utf-8")
    words = [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--allow-file-access-from-files"]
    words += ["--virtual-time-budget=5000", "--dump-dom", (tmp_path / "phone.html").as_uri()]
    done = subprocess.run(words, capture_output=True, timeout=SECONDS, check=True)

    (found,) = re.findall(r"width=(\d+) text=(\d+) left=(-?\d+)", done.stdout.decode("utf-8"))
    width, text_height, left = map(int, found)
    assert width <= 390
    assert text_height >= 11
    assert left >= 0


PHONE = """<!doctype html><p id="o"></p>
<iframe id="f" src="report.html" style="width:390px;height:800px;border:0"></iframe>
<script>
f.onload = () => {
  const page = f.contentDocument, texts = [...page.querySelectorAll("text.scale")].map(e => e.getBoundingClientRect())
  const wide = [page.documentElement.scrollWidth, ...[...page.querySelectorAll("td, p, figure, svg")].map(
    e => Math.floor(e.getBoundingClientRect().right))]
  o.textContent = "width=" + Math.max(...wide) + " text=" + Math.round(Math.min(...texts.map(r => r.height)))
    + " left=" + Math.floor(Math.min(...texts.map(r => r.left)))
}
</script>"""


def test_what_is_unresolved_and_refused_is_shown(shown: Page) -> None:
    assert shown.row(SHORT, "add_margin 55 USDT", "unknown")
    assert shown.row("refused:frozen", "mallory", "incident 7")


def test_the_chain_is_shown_with_its_head(month: Report, shown: Page) -> None:
    assert month.accounts[0].verdict.head in shown.words
    assert "✓ good" in shown.words


def test_what_others_wrote_is_text_and_nothing_is_loaded_or_run(shown: Page) -> None:
    assert HOSTILE.replace("\u202e", "\\u202e") in shown.words
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(shown.tags)
    assert [value for name, value in shown.attributes if name in {"src", "srcset", "xlink:href", "style"}] == []
    assert [name for name, _ in shown.attributes if name.startswith("on")] == []
    assert {value[0] for name, value in shown.attributes if name == "href"} == {"#"}
    assert (
        "content",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    ) in shown.attributes


def test_the_page_follows_the_readers_light_or_dark_and_prints() -> None:
    text = page(Report(accounts=(), since_ms=None, until_ms=0, made_ms=0))

    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    assert not re.search(r"url\(|@import|https?://", text)
    assert "There are no journals here." in text


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.03928 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_read_in_both_schemes(scheme: str) -> None:
    text = page(Report(accounts=(), since_ms=None, until_ms=0, made_ms=0))
    rules = re.findall(r":root \{([^}]*)\}", text)[0 if scheme == "light" else 1]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", rules))

    for name in ("text", "quiet", "good", "bad", "warn", "margin", "drift", "distance"):
        for back in ("back", "panel"):
            high, low = sorted((luminance(colours[name]), luminance(colours[back])), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, back)


def test_a_broken_chain_is_shown_with_what_stands_before_the_break(tmp_path: Path) -> None:
    clock = Calendar()
    store = FileStore(tmp_path, SystemDisk(), clock, inline)
    desk = Desk(store=store, clock=clock)
    desk.apply((LONG, "300"))
    desk.apply((LONG, "10"))
    file = tmp_path / "journal" / f"{desk.identity}.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"amount":"10"', b'"amount":"99"'))

    made = make_report(store, Filter(), now_ms=clock.wall_ms())
    found = Page(page(made))

    assert "✗ broken" in found.words
    assert "line 10: it was changed" in found.words
    assert found.row("+300", "applied")


def test_a_period_begins_where_the_account_was_found(tmp_path: Path) -> None:
    clock = Calendar()
    store = FileStore(tmp_path, SystemDisk(), clock, inline)
    a_month(store, clock)
    since_ms = BEGUN_MS + 13 * 24 * HOUR_MS

    made = make_report(store, Filter(account="desk", since_ms=since_ms), now_ms=clock.wall_ms())
    first = made.accounts[0].addresses[0].points[0]

    assert (first.at_ms, str(first.margin)) == (since_ms, "2100")
    assert all(movement.at > "2026-10-04" for movement in made.accounts[0].movements)
    with pytest.raises(InputError, match="no journal here"):
        make_report(store, Filter(account="nobody"), now_ms=0)


def test_a_long_history_is_thinned_out_and_keeps_its_marks_and_its_last_point(tmp_path: Path) -> None:
    clock = Calendar()
    store = FileStore(tmp_path, SystemDisk(), clock, inline)
    desk = Desk(store=store, clock=clock)
    for turn in range(450):
        desk.apply(*([(LONG, "10")] if turn % 50 == 0 else []))
        desk.wait(1)

    address = make_report(store, Filter(), now_ms=clock.wall_ms()).accounts[0].addresses[0]

    assert len(address.points) <= MOST_POINTS
    assert address.points[-1].margin == desk.margins[LONG]
    assert len(address.marks) == 9


def test_one_point_and_no_price_is_a_picture_too(tmp_path: Path) -> None:
    clock = Calendar()
    store = FileStore(tmp_path, SystemDisk(), clock, inline)
    Desk(store=store, clock=clock).apply((LONG, "300"), known=(IntentStatus.UNKNOWN,), finish=False)

    address = make_report(store, Filter(), now_ms=clock.wall_ms()).accounts[0].addresses[0]

    assert "<svg" in picture.margin(address)
    assert "no liquidation price" in picture.distance(address)


def test_the_distance_is_drawn_with_its_declared_band() -> None:
    bounds = Thresholds(floor=Decimal("0.08"), target=Decimal("0.12"), ceiling=Decimal("0.25"))
    band = MeasureBounds(measure=Measure.LIQUIDATION_DISTANCE, bounds=bounds)
    open_end = replace(band, bounds=replace(bounds, ceiling=None))
    other = replace(band, measure=Measure.EQUITY_SHARE)
    points = (
        point(0, "900", distance=Decimal("0.05"), band=band),
        point(10, "1500", distance=Decimal("0.12"), band=band),
    )
    shown = picture.distance(address_of(*points))
    without = picture.distance(address_of(*(replace(each, band=None) for each in points)))
    upward = picture.distance(address_of(*(replace(each, band=open_end) for each in points)))
    ys = dict.fromkeys(y for _, y in coordinates(shown, "band"))
    (target, *_), (low, *_, high) = coordinates(shown, "declared"), coordinates(shown, "distance")

    assert "last 12.0%, declared 8.0% to 25.0%" in shown
    assert "last 12.0%, declared 8.0% or more" in upward
    assert ("band" in without, "declared" in without) == (False, False)
    assert picture.distance(address_of(*(replace(each, band=other) for each in points))) == without
    assert min(ys) < target[1] == high[1] < max(ys) < low[1]


@pytest.mark.parametrize(
    ("measure", "ceiling", "words"),
    [
        (Measure.LIQUIDATION_DISTANCE, "0.25", "declared liquidation_distance 8% to 25%"),
        (Measure.EQUITY_SHARE, None, "declared equity_share 8% or more"),
        (None, None, "not declared"),
    ],
)
def test_the_report_says_what_is_declared_of_a_margin(
    month: Report, measure: Measure | None, ceiling: str | None, words: str
) -> None:
    bounds = Thresholds(
        floor=Decimal("0.08"), target=Decimal("0.12"), ceiling=None if ceiling is None else Decimal(ceiling)
    )
    band = None if measure is None else MeasureBounds(measure=measure, bounds=bounds)
    account = replace(month.accounts[0], addresses=(address_of(point(0, "900", band=band)),))

    assert f"<b>900</b> USDT · {words}" in page(replace(month, accounts=(account,)))


def test_the_report_and_the_log_agree_on_what_was_sent(tmp_path: Path) -> None:
    clock = Calendar()
    store = FileStore(tmp_path, SystemDisk(), clock, inline)
    a_month(store, clock)

    steps = [row for row in log(store, Filter()) if row.address]
    made = make_report(store, Filter(), now_ms=clock.wall_ms())

    ours = [movement for movement in made.accounts[0].movements if movement.cause == "reconcile"]
    assert [(row.at, row.address, row.outcome) for row in steps] == [(m.at, m.address, m.outcome) for m in ours]
