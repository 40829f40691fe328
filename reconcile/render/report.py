"""The report as one HTML page that needs nothing else: no network, no script, no font; for light, dark and paper.

Every word that comes from a journal goes through ``text``. A policy in the page itself forbids it to load or run
anything, should a word get through all the same.
"""

from collections.abc import Iterable, Sequence

from reconcile.model.reports import AccountPicture, AddressPicture, ChainVerdict, LogRow, Movement, OpenItem, Report
from reconcile.money import plain
from reconcile.render import picture
from reconcile.render.picture import text
from reconcile.render.report_style import STYLE
from reconcile.render.values import percent, rfc3339, signed_text

MOST_ROWS = 2_000
"""How many movements of one account the page lists; the log has them all."""
_QUIET = ' class="seen"'
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_LEGEND = (
    '<p class="legend"><span><svg viewBox="0 0 28 12"><path class="margin" d="M1 6H27"/></svg> isolated margin</span>'
    '<span><svg viewBox="0 0 28 12"><path class="declared" d="M1 6H27"/></svg> declared</span>'
    '<span><svg viewBox="0 0 12 12"><circle class="applied" cx="6" cy="6" r="5"/></svg> applied</span>'
    '<span><svg viewBox="0 0 12 12"><path class="drift" d="M6 0L12 6L6 12L0 6Z"/></svg> drift</span>'
    '<span><svg viewBox="0 0 12 12"><path class="unclear" d="M1 1L11 11M1 11L11 1"/></svg> unclear</span>'
    '<span><svg viewBox="0 0 28 12"><path class="distance" d="M1 6H27"/></svg> distance to liquidation</span></p>'
)


def page(report: Report) -> str:
    """The whole document."""
    since = "the beginning" if report.since_ms is None else rfc3339(report.since_ms)
    period = f"{since} to {rfc3339(report.until_ms)}"
    body = [
        f"<header><h1>Margin report</h1><p>{text(period)} · made {rfc3339(report.made_ms)}</p></header>",
        _overview(report.accounts),
        _LEGEND,
        *(_account(account) for account in report.accounts),
    ]
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
        f'<tr><td><a href="#{text(each.identity)}">{text(each.account)}</a></td><td>{text(each.place)}</td>'
        f'<td class="n">{each.runs}</td><td class="n">{len(each.movements)}</td>'
        f'<td class="n">{_count(len(each.unresolved))}</td><td>{_badge(each.verdict)}</td></tr>'
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
        f"<tr><td>{text(each.address)}</td><td>{text(each.what)}</td><td>{_outcome(each.outcome)}</td>"
        f"<td>{_time(each.since)}</td><td>{text(each.evidence)}</td></tr>"
        for each in items
    ]
    head = ("Address", "Step", "Outcome", "Since", "Evidence")
    return f'<h3 class="alarm">Unresolved</h3>{_table("unresolved", head, rows)}'


def _address(each: AddressPicture) -> str:
    last = each.points[-1]
    declared = next((point.declared for point in reversed(each.points) if point.declared is not None), None)
    distance = next((point.distance for point in reversed(each.points) if point.distance is not None), None)
    facts = [f"<b>{plain(last.margin)}</b> {text(each.asset)}"]
    facts.append("not declared" if declared is None else f"declared {plain(declared)}")
    if distance is not None:
        facts.append(f"{percent(distance)} from liquidation")
    return (
        f"<figure><figcaption><h3>{text(each.address)}</h3><span>{' · '.join(facts)}</span></figcaption>"
        f'<div class="pictures"><div>{picture.margin(each)}</div><div>{picture.distance(each)}</div></div></figure>'
    )


def _movements(movements: Sequence[Movement]) -> str:
    shown = movements[-MOST_ROWS:]
    rows = [
        f"<tr{_QUIET if each.outcome == 'seen' else ''}><td>{_time(each.at)}</td><td>{text(each.address)}</td>"
        f"<td>{text(each.cause)}</td>"
        f'<td class="n">{"?" if each.change is None else signed_text(each.change)}</td><td>{text(each.asset)}</td>'
        f'<td class="n">{text(each.before)}</td><td class="n">{text(each.after)}</td><td>{_outcome(each.outcome)}</td>'
        f"<td>{text(each.actor)}</td><td><code>{text(each.run_id)}</code></td><td>{_why(each)}</td></tr>"
        for each in shown
    ]
    left = len(movements) - len(shown)
    note = f'<p class="none">{left} earlier ones are left out; the log has them.</p>' if left else ""
    names = "Time", "Address", "Cause", "Change", "Asset", "Before", "After", "Outcome", "By", "Run", "Detail"
    table = _table("movements", names, rows, numbers={"Change", "Before", "After"})
    return f"<h3>Movements</h3>{note}{table}" if rows else '<p class="none">Nothing moved in this period.</p>'


def _why(each: Movement) -> str:
    """The actor's reason, then what is known."""
    return f"<q>{text(each.reason)}</q> {text(each.detail)}" if each.reason else text(each.detail)


def _idle(rows: Sequence[LogRow]) -> str:
    if not rows:
        return ""
    listed = [
        f"<tr><td>{_time(each.at)}</td><td>{text(each.command)}</td><td>{_outcome(each.outcome)}</td><td>{text(each.actor)}</td>"
        f"<td><code>{text(each.run_id)}</code></td><td>{text(each.detail)}</td></tr>"
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
    kind: str, names: Sequence[str], rows: Iterable[str], *, numbers: frozenset[str] | set[str] = frozenset()
) -> str:
    number = {True: ' class="n"', False: ""}
    heads = "".join(f'<th scope="col"{number[name in numbers]}>{name}</th>' for name in names)
    table = f'<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="wide">{table}</div>'
