"""News of a watch: states in a word or two, and the words behind them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from reconcile.model.auto_add import SetAutoAdd
from reconcile.model.holds import Hold
from reconcile.model.plan import AccountPlan, Entry, OutcomeKind, SettledStep, Status, StepResult
from reconcile.money import plain
from reconcile.render.common.json import held_fields
from reconcile.render.common.values import declared, now, rfc3339, step_amounts, switched
from reconcile.render.plan.measures import measure


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One line: something changed, or was done (``after`` None). ``at_ms`` is Unix time, ``before`` None at first.

    ``kind`` is one of ``KINDS``; ``hold`` is why nothing is sent to the address for now, None where nothing holds it.
    """

    at_ms: int
    account: str
    address: str
    before: str | None = None
    after: str | None = None
    message: str = ""
    kind: str = "decided"
    hold: Hold | None = None

    def document(self, form: str) -> dict[str, Any]:
        """As JSON, in a format of that name."""
        return {
            "format": form,
            "at": rfc3339(self.at_ms),
            "kind": self.kind,
            "account": self.account or None,
            "address": self.address or None,
            "from": self.before,
            "to": self.after,
            "message": self.message,
            **held_fields(self.hold),
        }


_OF_STATE = {"ok": "recovered", "in_sync": "recovered", "away": "recovered", "change": "drift"}
_OF_OUTCOME = {OutcomeKind.APPLIED: "applied", OutcomeKind.UNKNOWN: "unknown"}
KINDS = (
    *("drift", "blocked", "held", "waiting", "absent", "unmanaged", "near_liquidation", "recovered"),
    *("unreadable", "refused", "frozen", "applied", "short", "unknown", "decided"),
)
"""The subjects of news: a state of an address or an account, the end of a step, or a decision of the watch."""


def kind_of_state(state: str) -> str:
    """The kind of a change to this state."""
    word = state.partition(" ")[0]
    return _OF_STATE.get(word, word)


def kind_of_outcome(outcome: OutcomeKind) -> str:
    """The kind of a step's end."""
    return _OF_OUTCOME.get(outcome, "short")


def standing(account: AccountPlan, frozen: str | None) -> tuple[str, str]:
    """The account's own state in a word or two, and what there is to say about it."""
    if account.errors:
        first = account.errors[0]
        is_refused = account.observed is not None or account.exit_code == 4
        return f"{'refused' if is_refused else 'unreadable'} ({first.key})", first.message
    return ("ok", "") if frozen is None else ("frozen", frozen)


def is_urgent(entry: Entry) -> bool:
    """Whether margin is to be added to a position whose declared measure is below its floor."""
    return entry.status is Status.CHANGE and entry.is_below_floor


def state(entry: Entry) -> str:
    """The state of one address in a word or two; amounts are not part of it."""
    more = "below floor" if is_urgent(entry) else entry.blocked_by if entry.status is Status.BLOCKED else None
    return entry.status.value if more is None else f"{entry.status.value} ({more})"


def message(entry: Entry) -> str:
    """``4455.8 → 4500 (+44.2 USDT): drifted …``."""
    step = entry.move or next(iter(entry.steps), entry.wanted)
    if step is not None:
        before, after, difference = step_amounts(step)
        amount = f" ({difference} {entry.asset})" if difference else ""
        shown = f"{before} → {after}{amount}"
    else:
        wanted = declared(entry)
        shown = f"{now(entry)} → {wanted}" if wanted else now(entry)
    notes = "; ".join(note for note in (switched(entry), measure(entry), entry.reason) if note)
    return f"{shown}: {notes}" if notes else shown


def ending(step: StepResult) -> str:
    """One line on how a step ended."""
    sign = "-" if step.action == "reduce_margin" else "+"
    amount = "" if step.amount is None else f" {sign}{plain(step.amount)}"
    notes = "; ".join(note for note in (step.evidence, step.detail) if note)
    return f"{step.outcome.value}{amount}: {notes}"


def settled(step: SettledStep) -> str:
    """One line on what became of a step that an earlier run left."""
    sign = "-" if step.action == "reduce_margin" else "+"
    amount = "" if step.amount is None else f" {sign}{plain(step.amount)} {step.asset}"
    return f"settled: {step.outcome}{amount}, left by an earlier run ({step.since}): {step.evidence}"


def kind_of_settled(step: SettledStep) -> str:
    """The kind of a settled step."""
    return "applied" if step.outcome == "applied" else "decided"


def target_margin(entry: Entry) -> Decimal | None:
    """The margin that an entry's target declares, or that its band asks for; None where it declares none."""
    return entry.wanted_margin if entry.target is None or entry.target.band else entry.target.isolated_margin


def switched_back(entry: Entry) -> bool:
    """Whether a change turns auto-add again, which only another hand can have turned since it was as declared."""
    return entry.status is Status.CHANGE and any(isinstance(step, SetAutoAdd) for step in entry.steps)
