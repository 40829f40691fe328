"""Settings for late effects: the grace, and the start with a journal that does not know what was sent."""

from reconcile.connect import endpoints
from reconcile.model.account import ColdStart
from reconcile.statefile.problems import ProblemList
from reconcile.statefile.schema import AccountTable


def check_cold_start(endpoint: str | None, declared: str | None, book: ProblemList) -> ColdStart:
    """The first act of the account's runs; ``endpoint`` and ``declared`` are None if they are not valid."""
    if endpoint is None:
        return ColdStart.WAIT
    try:
        return endpoints.cold_start(endpoint, None if declared is None else ColdStart(declared))
    except ValueError as error:
        book.add(("account", "cold_start"), str(error))
        return ColdStart.WAIT


def check_grace(account: AccountTable, cold_start: ColdStart, book: ProblemList) -> None:
    """A grace that is too short takes a late answer of the live exchange for none."""
    problem = endpoints.grace_problem(account.exchange, account.endpoint, cold_start, account.grace)
    if problem is not None:
        book.add(("account", "grace"), problem)
