"""Results of ``reconcile doctor``, as text and JSON: one line for each check, with what to do."""

from collections.abc import Iterable, Mapping

from reconcile.model.doctor import AccountCheckup, Check, Checkup, CheckVerdict
from reconcile.render.common.columns import fit
from reconcile.render.common.json import Document
from reconcile.render.common.values import clean, painted

DOCTOR_FORMAT = "reconcile.doctor/1"
_MARKS = {CheckVerdict.OK: "ok", CheckVerdict.WARNING: "WARN", CheckVerdict.UNKNOWN: "?", CheckVerdict.FAILED: "FAIL"}
_COLOURS = {CheckVerdict.OK: "32", CheckVerdict.WARNING: "33", CheckVerdict.UNKNOWN: "33", CheckVerdict.FAILED: "31"}


def document(checkup: Checkup, *, exit_code: int, code_of: Mapping[str, int]) -> Document:
    """``reconcile.doctor/1``; ``code_of`` has the exit code of each account by its name."""
    return {
        "format": DOCTOR_FORMAT,
        "exit_code": exit_code,
        "runner": [_document(check) for check in checkup.runner],
        "accounts": [
            {
                "account": each.desired.name,
                "exchange": each.desired.exchange,
                "endpoint": each.desired.endpoint,
                "state_file": each.desired.path,
                "exit_code": code_of[each.desired.name],
                "checks": [_document(check) for check in each.checks],
            }
            for each in checkup.accounts
        ],
    }


def _document(check: Check) -> Document:
    return {
        "check": check.name,
        "verdict": check.verdict.value,
        "finding": check.finding,
        "advice": check.advice or None,
    }


def text(checkup: Checkup, *, color: bool, titles: Mapping[str, str], columns: int | None = None) -> str:
    """For a person; the last line says how many checks need one."""
    blocks = [_block("runner", checkup.runner, color=color)]
    blocks += [_block(_head(each, titles), each.checks, color=color) for each in checkup.accounts]
    every = [*checkup.runner, *(check for each in checkup.accounts for check in each.checks)]
    return fit("\n\n".join([*blocks, _conclusion(every)]), columns) + "\n"


def _head(each: AccountCheckup, titles: Mapping[str, str]) -> str:
    desired = each.desired
    exchange = titles.get(desired.exchange, desired.exchange)
    return f"{desired.name}: {exchange}, {desired.endpoint}  ({desired.path})"


def _block(head: str, checks: Iterable[Check], *, color: bool) -> str:
    return "\n".join([painted(clean(head), "1", color=color), *(_line(check, color=color) for check in checks)])


def _line(check: Check, *, color: bool) -> str:
    mark = painted(f"{_MARKS[check.verdict]:<4}", _COLOURS[check.verdict], color=color)
    advice = f"; {check.advice}" if check.advice else ""
    return f"  {mark}  {check.name:<11}  {clean(check.finding + advice)}"


def _conclusion(every: Iterable[Check]) -> str:
    verdicts = [check.verdict for check in every]
    failed, warned, unknown = (
        verdicts.count(each) for each in (CheckVerdict.FAILED, CheckVerdict.WARNING, CheckVerdict.UNKNOWN)
    )
    others = [f"{warned} warning{'' if warned == 1 else 's'}"] if warned else []
    others += [f"{unknown} not known"] if unknown else []
    beside = f" ({', '.join(others)})" if others else ""
    if failed:
        return f"{failed} check{'' if failed == 1 else 's'} failed{beside}: see FAIL above."
    return f"No check found anything in the way of an apply{beside}."
