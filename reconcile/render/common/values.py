"""Values as every rendering shows them: safe text, times, amounts, and the sums of a plan's summary.

Symbols, reasons and exchange messages were written by others. No control character of theirs (terminal escapes, line
breaks, text direction marks) gets into any output: ``clean`` shows it as a visible escape instead. CI runners take
commands from the log, so ``clean`` breaks their form as well.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import ColdStart
from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.plan import AccountPlan, Entry, MoveMargin, Plan, SetMarginType, Status, Step
from reconcile.money import ZERO, plain, plus, rounded, shortened

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_COMMAND = re.compile(r"#(?=#[A-Za-z]*\[)|(?<!\S):(?=:[A-Za-z])")
"""``##[…]`` and ``##vso[…]``, taken anywhere in a line, and ``::…::``, taken where only white space precedes it."""
_PLAIN_DIGITS = 20
_LARGEST_SHARE = 1_000_000


def clean(text: str) -> str:
    """The text on one line without control, format or surrogate characters; each is shown as its escape.

    A command of a CI runner (GitHub's ``::…::`` and ``##[…]``, Azure's ``##vso[…]``) loses its first character to an
    escape.
    """
    if not text.isprintable():
        text = "".join(_escaped(char) if unicodedata.category(char) in _UNSAFE else char for char in text)
    return _COMMAND.sub(lambda found: _escaped(found[0]), text) if "##" in text or "::" in text else text


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def rfc3339(time_ms: int) -> str:
    """A Unix time in milliseconds as RFC 3339 in UTC, with Z."""
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signed(amount: Decimal) -> str:
    """An amount with its sign always shown, as a program reads it: ``+300``, ``-14.2``, ``0``."""
    return f"+{plain(amount)}" if amount > 0 else plain(amount)


def signed_text(amount: Decimal) -> str:
    """An amount with its sign always shown, as a person reads it: ``+300``, ``−14.2`` (as wide as a plus), ``0``.

    This is the one notation of all text for people: exact, no grouping, no zeros behind, so that it can be typed again.
    """
    return signed(amount).replace("-", "−")


def price(value: Decimal | None) -> str:
    """A price for a person: eight digits; ``none`` where there is none, with an exponent from 1e20 on."""
    if value is None:
        return "none"
    short = shortened(value)
    return plain(short) if short.adjusted() < _PLAIN_DIGITS else f"{short:E}"


def percent(share: Decimal | None) -> str:
    """A share (0.05) as a percentage with one decimal (``5.0%``); ``none`` where there is none.

    A share beyond a million is shown as such: ``over 100000000%``.
    """
    if share is None:
        return "none"
    if abs(share) >= _LARGEST_SHARE:
        return f"{'over ' if share > 0 else 'below -'}{_LARGEST_SHARE * 100}%"
    return f"{rounded(share * 100, 1)}%"


def step_amounts(step: Step) -> tuple[str, str, str]:
    """Before, after and signed difference of a step (no difference for an absolute one)."""
    match step:
        case SetMarginType():
            return step.before.value, step.after.value, ""
        case SetAutoAdd():
            return f"auto-add {step.before}", step.after.value, ""
        case MoveMargin():
            return plain(step.before), plain(step.after), signed_text(step.signed)


def liquidation(step: Step) -> str:
    """The effect of a margin step on the liquidation price and its distance from the mark; empty if not known."""
    if not isinstance(step, MoveMargin):
        return ""
    if step.liquidation_price_before is None and step.liquidation_price_after is None:
        return ""
    prices = f"liq {price(step.liquidation_price_before)} → {price(step.liquidation_price_after)}"
    before, after = step.liquidation_distance_before, step.liquidation_distance_after
    if before is None or after is None:
        known = f"{percent(after)} from mark after" if before is None else f"{percent(before)} from mark before"
        return prices if before is None and after is None else f"{prices} ({known})"
    return f"{prices} ({percent(before)} → {percent(after)} from mark)"


def setting(action: str, word: str) -> str:
    """A margin or a setting around a step of a result: a switch says what it is about."""
    return f"auto-add {word}" if action == "set_auto_add" and word else word


def switched(entry: Entry) -> str:
    """``auto-add on → off`` where an entry switches that beside moving margin; empty elsewhere."""
    found = [step for step in entry.steps if isinstance(step, SetAutoAdd)]
    return "" if entry.move is None or not found else f"auto-add {found[0].before} → {found[0].after}"


def why(entry: Entry) -> str:
    """The reason of an entry, led by its status where that is not a change, and the template that it came from."""
    said = _why(entry)
    if entry.target is None or entry.target.template is None:
        return said
    return "; ".join(part for part in (said, f"from {entry.target.template}") if part)


def _why(entry: Entry) -> str:
    match entry.status:
        case Status.CHANGE | Status.IN_SYNC:
            return entry.reason
        case Status.BLOCKED:
            lead = f"blocked by {entry.blocked_by or 'account'}"
        case _:
            lead = entry.status.value
    return f"{lead}: {entry.reason}" if entry.reason else lead


def now(entry: Entry) -> str:
    """The live state: the isolated margin of an open position, else the margin type, else ``none``."""
    if entry.observed is not None and entry.observed.is_open and entry.observed.isolated_margin != 0:
        return plain(entry.observed.isolated_margin)
    return entry.observed_type.value if entry.observed_type is not None else "none"


def declared(entry: Entry) -> str:
    """The declared values of it; empty where nothing is declared, or nothing more than is shown already."""
    if entry.target is None or entry.status is Status.IN_SYNC:
        return ""
    margin = entry.target.isolated_margin if entry.target.band is None else entry.wanted_margin
    if margin is None:
        return "" if entry.target.band else entry.target.margin_type.value
    return plain(margin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The number of entries by status, and the sums to add and to take out, by asset."""

    counts: Mapping[Status, int]
    add: Mapping[str, Decimal]
    reduce: Mapping[str, Decimal]

    @property
    def amounts(self) -> str:
        """``+300 −20 USDT, −0.5 BTC``; empty when no margin would move."""
        parts = []
        for asset in sorted({*self.add, *self.reduce}):
            sums = [signed_text(self.add[asset])] if asset in self.add else []
            sums += [signed_text(-self.reduce[asset])] if asset in self.reduce else []
            parts.append(f"{' '.join(sums)} {asset}")
        return ", ".join(parts)


def summarize(accounts: Iterable[AccountPlan]) -> Summary:
    """The summary of these accounts' entries."""
    counts = dict.fromkeys(Status, 0)
    add: dict[str, Decimal] = {}
    reduce: dict[str, Decimal] = {}
    for account in accounts:
        for entry in account.entries:
            counts[entry.status] += 1
            for step in entry.steps:
                if isinstance(step, MoveMargin):
                    total = add if step.action == "add_margin" else reduce
                    total[step.asset] = plus(total.get(step.asset, ZERO), step.amount)
    return Summary(counts=counts, add=dict(sorted(add.items())), reduce=dict(sorted(reduce.items())))


STATUS_WORDS: Mapping[Status, str] = {
    Status.CHANGE: "to change",
    Status.BLOCKED: "blocked",
    Status.HELD: "held",
    Status.WAITING: "waiting",
    Status.UNMANAGED: "unmanaged",
    Status.IN_SYNC: "in sync",
}
"""The words of a summary for each status; the order is the one in which to look at them."""


def by_attention(entries: Iterable[Entry]) -> list[Entry]:
    """Entries in the order in which a person should look at them; within a status as they came."""
    order = {status: place for place, status in enumerate(STATUS_WORDS)}
    return sorted(entries, key=lambda entry: order[entry.status])


REFUSED = 4
"""The exit code of an account of which nothing is sent, whatever its entries say."""


def summary_line(plan: Plan) -> str:
    """One line: ``2 to change (+300 USDT, -150 USDT), 1 blocked, 3 in sync``; statuses with no entry are left out."""
    if not plan.accounts:
        return "nothing was planned"
    summary = summarize(plan.accounts)
    parts = []
    for status, words in STATUS_WORDS.items():
        count = summary.counts[status]
        if count or status is Status.CHANGE:
            amounts = f" ({summary.amounts})" if status is Status.CHANGE and summary.amounts else ""
            parts.append(f"{count} {words}{amounts}")
    troubled = [account.exit_code for account in plan.accounts if account.errors]
    refused = troubled.count(REFUSED)
    for count, words in ((refused, "refused as a whole"), (len(troubled) - refused, "with errors")):
        if count:
            parts.append(f"{count} account{'s' if count > 1 else ''} {words}")
    return clean(", ".join(parts))


def describe(account: AccountPlan, titles: Mapping[str, str]) -> str:
    """One account by name, exchange, endpoint, product, mode and the prefix of its secrets, where it needs any:
    ``main: Binance USD-M, live, hedge, credentials MAIN``."""
    desired = account.desired
    parts = [titles.get(desired.exchange, desired.exchange), desired.endpoint, desired.region, desired.product]
    keys = None if desired.endpoint == "sandbox" else f"credentials {desired.credentials}"
    shown = ", ".join(part for part in [*parts, desired.position_mode.value, keys] if part)
    return clean(f"{desired.name}: {shown}")


def cautions(account: AccountPlan) -> list[str]:
    """Warnings for the reviewer: settings that are not the exchange's own, and limits that allow more than at the
    last apply."""
    desired = account.desired
    said = []
    usual = TRAITS[desired.exchange].grace_ms if desired.exchange in TRAITS else None
    if desired.grace_ms is not None and desired.grace_ms != usual:
        own = "" if usual is None else f" (default {seconds(usual)})"
        said.append(f"grace is {seconds(desired.grace_ms)}{own}")
    if desired.amount_step is not None:
        said.append(f"amount_step is {plain(desired.amount_step)}, declared in the state file")
    if desired.cold_start is ColdStart.TRUST and desired.endpoint != "sandbox":
        said.append("cold_start is trust: requests that the journal does not know are not waited for")
    if account.looser:
        changes = ", ".join(f"{each.key} {each.before} → {each.after}" for each in account.looser)
        said.append(f"looser than at the last apply: {changes}")
    return [clean(text) for text in said]


def painted(text: str, code: str, *, color: bool) -> str:
    """The text in a colour of the terminal (an SGR code), or as it is."""
    return f"\x1b[{code}m{text}\x1b[0m" if color else text


def seconds(milliseconds: int) -> str:
    """A duration for a person: ``5s``, ``0.3s``."""
    return f"{plain(Decimal(milliseconds) / 1000)}s"


NO_TITLES: Mapping[str, str] = MappingProxyType({})
