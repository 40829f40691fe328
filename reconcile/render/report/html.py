"""The report as one HTML page that needs nothing else: no network, no script, no font; for light, dark and paper.

Every word that comes from a journal goes through ``text``. A policy in the page itself forbids it to load or run
anything, should a word get through all the same.
"""

from collections.abc import Collection, Iterable, Sequence

from reconcile.model.exports import MovementTotal
from reconcile.model.report_page import AccountPicture, AddressPicture, OpenItem, Report
from reconcile.model.reports import ChainVerdict, LogRow, Movement
from reconcile.money import plain
from reconcile.render.common.values import percent, signed_text
from reconcile.render.report import picture
from reconcile.render.report.picture import moment, text
from reconcile.render.report.style import STYLE

MOST_ROWS = 2_000
"""The most movements of one account that the page lists; the log has them all."""
_QUIET = ' class="seen"'
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SIGNS = (
    ("margin", "M1 6H27", "isolated margin"),
    ("declared", "M1 6H27", "declared"),
    ("band", "M1 1H27V11H1Z", "within the tolerance, or the declared distance"),
    ("applied", "", "applied"),
    ("drift", "M6 0L12 6L6 12L0 6Z", "drift"),
    ("unclear", "M1 1L11 11M1 11L11 1", "outcome not known"),
    ("closed", "M6 0V12", "closed"),
    ("distance", "M1 6H27", "distance to liquidation"),
)


def _sign(kind: str, path: str, words: str) -> str:
    width = 28 if "27" in path else 12
    form = f'<path class="{kind}" d="{path}"/>' if path else f'<circle class="{kind}" cx="6" cy="6" r="5"/>'
    return f'<span><svg viewBox="0 0 {width} 12">{form}</svg> {words}</span>'


_LEGEND = f'<p class="legend">{"".join(_sign(*each) for each in _SIGNS)}</p>'


def page(report: Report) -> str:
    """The whole document."""
    since = "the beginning" if report.since_ms is None else moment(report.since_ms)
    period = f"{since} to {moment(report.until_ms)}"
    body = [
        f"<header><h1>Margin report</h1><p>{text(period)}</p>",
        f"<p>All times are UTC. Made {text(moment(report.made_ms))}.</p></header>",
        _overview(report.accounts),
        *(_account(account) for account in report.accounts),
    ]
    if any(account.addresses for account in report.accounts):
        body.insert(3, _LEGEND)
    if not report.accounts:
        body.append('<p class="none">There are no journals here.</p>')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Margin report, {text(period)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _overview(accounts: Sequence[AccountPicture]) -> str:
    rows = [
        [
            f'<a href="#{text(each.identity)}">{text(each.account)}</a>',
            text(each.place),
            str(each.runs),
            str(sum(1 for movement in each.movements if movement.change != 0)),
            _count(len(each.unresolved)),
            _badge(each.verdict),
        ]
        for each in accounts
    ]
    head = ("Account", "Where", "Runs", "Movements", "Unresolved", "Chain")
    return _table("overview", head, rows, numbers={"Runs", "Movements", "Unresolved"})


def _count(number: int) -> str:
    return f'<strong class="bad">{number}</strong>' if number else "0"


def _badge(verdict: ChainVerdict) -> str:
    return '<span class="badge good">✓ good</span>' if verdict.is_good else '<span class="badge bad">✗ broken</span>'


def _account(account: AccountPicture) -> str:
    parts = [
        f'<section id="{text(account.identity)}"><h2>{text(account.account)} <small>{text(account.place)}</small></h2>',
        _chain(account.verdict),
        _unresolved(account.unresolved),
        _causes(account.totals),
        *(_address(each) for each in account.addresses if each.points),
        _movements(account.movements),
        _idle(account.idle),
        "</section>",
    ]
    return "".join(parts)


def _chain(verdict: ChainVerdict) -> str:
    if verdict.is_good:
        head = f"{verdict.records} records, head <code>{text(verdict.head)}</code>"
        return f'<p class="chain">{_badge(verdict)} {head} · journal <code>{text(verdict.identity)}</code></p>'
    return f'<p class="chain alarm">{_badge(verdict)} {text(verdict.message)}</p>'


def _unresolved(items: Sequence[OpenItem]) -> str:
    if not items:
        return ""
    rows = [
        [text(each.address), text(each.what), _outcome(each.outcome), _time(each.since), text(each.evidence)]
        for each in items
    ]
    head = ("Address", "Step", "Outcome", "Since", "Evidence")
    return f'<h3 class="alarm">Unresolved</h3>{_table("unresolved", head, rows)}'


def _causes(totals: Sequence[MovementTotal]) -> str:
    """The movements of the period, by cause; before the pictures, because they are read first."""
    if not totals:
        return ""
    rows = [
        [
            text(each.cause),
            text(each.actor),
            plain(each.added) if each.added else "",
            plain(each.removed) if each.removed else "",
            f"<b>{signed_text(each.net)}</b>",
            text(each.asset),
            str(each.movements),
            _count(each.unclear) if each.unclear else "",
        ]
        for each in totals
    ]
    head = ("Cause", "By", "Added", "Taken out", "Net", "Asset", "Movements", "Unclear")
    numbers = {"Added", "Taken out", "Net", "Movements", "Unclear"}
    return f"<h3>By cause</h3>{_table('causes', head, rows, numbers=numbers)}"


def _address(each: AddressPicture) -> str:
    return (
        f"<figure><figcaption><h3>{text(each.address)}</h3><span>{_standing(each)}</span></figcaption>"
        f'<div class="pictures"><div>{picture.margin(each)}</div><div>{picture.distance(each)}</div></div></figure>'
    )


def _standing(each: AddressPicture) -> str:
    """The state at the end: the margin and what is declared, or since when the position is closed."""
    last = each.points[-1]
    wanted = last.band if last.declared is None else plain(last.declared)
    declared = "not declared" if wanted is None else f"declared {wanted}"
    if each.closed_ms is not None:
        since = f"no isolated position since {text(moment(each.closed_ms))}"
        return f'<span class="badge quiet">closed</span> {since} · {declared}'
    facts = [f"<b>{plain(last.margin)}</b> {text(each.asset)}", declared]
    distance = next((point.distance for point in reversed(each.points) if point.distance is not None), None)
    if distance is not None:
        facts.append(f"{percent(distance)} from liquidation")
    return " · ".join(facts)


def _movements(movements: Sequence[Movement]) -> str:
    shown = movements[-MOST_ROWS:]
    rows = [
        [
            _time(each.at),
            text(each.address),
            text(each.cause),
            "?" if each.change is None else signed_text(each.change),
            text(each.asset),
            text(each.before),
            text(each.after),
            _outcome(each.outcome),
            text(each.actor),
            f"<code>{text(each.run_id)}</code>" if each.run_id else "",
            _why(each),
        ]
        for each in shown
    ]
    quiet = {number for number, each in enumerate(shown) if each.outcome == "seen"}
    left = len(movements) - len(shown)
    note = f'<p class="none">{left} earlier ones are left out; the log has them.</p>' if left else ""
    names = "Time", "Address", "Cause", "Change", "Asset", "Before", "After", "Outcome", "By", "Run", "Detail"
    table = _table("movements", names, rows, numbers={"Change", "Before", "After"}, quiet=quiet)
    return f"<h3>Movements</h3>{note}{table}" if rows else '<p class="none">Nothing moved in this period.</p>'


def _why(each: Movement) -> str:
    """The actor's reason, then what is known."""
    return f"<q>{text(each.reason)}</q> {text(each.detail)}" if each.reason else text(each.detail)


def _idle(rows: Sequence[LogRow]) -> str:
    if not rows:
        return ""
    listed = [
        [
            _time(each.at),
            text(each.command),
            _outcome(each.outcome),
            text(each.actor),
            f"<code>{text(each.run_id)}</code>",
            text(each.detail),
        ]
        for each in rows[-MOST_ROWS:]
    ]
    names = "Time", "Command", "Outcome", "By", "Run", "Why"
    return f"<h3>Refused, failed and cut off</h3>{_table('idle', names, listed)}"


def _outcome(outcome: str) -> str:
    kind = _KINDS.get(outcome.partition(":")[0], "plain")
    return f'<span class="{kind}">{text(outcome)}</span>'


_KINDS = {
    **dict.fromkeys(("applied",), "good"),
    **dict.fromkeys(("unknown", "in_flight", "error", "cut_off"), "bad"),
    **dict.fromkeys(("drift", "refused", "accepted", "interrupted", "released"), "warn"),
}


def _time(at: str) -> str:
    """To the second, for a narrow column; the whole of it in the attribute."""
    return f'<time datetime="{text(at)}">{text(at[:19].replace("T", " "))}</time>'


def _table(
    kind: str,
    names: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[str] = (),
    quiet: Collection[int] = (),
) -> str:
    """A table of finished cells. On a phone each row is a card, whose lines are led by the names of the columns."""
    classes = [' class="n"' if name in numbers else "" for name in names]
    heads = "".join(f'<th scope="col"{kind_of}>{name}</th>' for name, kind_of in zip(names, classes, strict=True))
    body = "".join(
        f"<tr{_QUIET if number in quiet else ''}>"
        + "".join(
            f'<td{kind_of} data-name="{name}">{cell}</td>'
            for name, kind_of, cell in zip(names, classes, row, strict=True)
        )
        + "</tr>"
        for number, row in enumerate(rows)
    )
    table = f'<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide">{table}</div>'
