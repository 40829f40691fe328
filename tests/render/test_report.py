"""The report's page shows what the journal holds, in a real browser where there is one, and is inert."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from reconcile.audit.reporting import MOST_POINTS, make_report
from reconcile.audit.run_log import Filter, log
from reconcile.errors import InputError
from reconcile.journal.file.disk import SystemDisk
from reconcile.journal.file.store import FileStore
from reconcile.journal.records import IntentStatus
from reconcile.model.reports import Report
from reconcile.render import picture
from reconcile.render.report import page
from reconcile.render.values import signed_text as shown_change
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
    assert sorted(shown.marks) == ["applied", "applied", "applied", "drift", "unclear"]
    assert "+249.59 USDT applied, run run0008" in shown.words
    assert "−241.37 USDT unexplained, 1491.78 → 1250.41" in shown.words


def test_each_address_has_both_pictures_and_its_numbers(shown: Page) -> None:
    lines = [
        value for name, value in shown.attributes if name == "class" and value in {"margin", "declared", "distance"}
    ]

    assert [lines.count(kind) for kind in ("margin", "declared", "distance")] == [3, 3, 3]  # with the legend's
    assert "2083.56 USDT · declared 2100 · 20.8% from liquidation" in shown.words
    assert all(place in shown.words for place in (LONG, SHORT))


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


def test_the_report_and_the_log_agree_on_what_was_sent(tmp_path: Path) -> None:
    clock = Calendar()
    store = FileStore(tmp_path, SystemDisk(), clock, inline)
    a_month(store, clock)

    steps = [row for row in log(store, Filter()) if row.address]
    made = make_report(store, Filter(), now_ms=clock.wall_ms())

    ours = [movement for movement in made.accounts[0].movements if movement.cause == "reconcile"]
    assert [(row.at, row.address, row.outcome) for row in steps] == [(m.at, m.address, m.outcome) for m in ours]
