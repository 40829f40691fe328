"""Everything that blocks an entry is named at once."""

from decimal import Decimal

from reconcile.model.account import ObservedAccount, Policy
from reconcile.model.plan import Entry, Status
from reconcile.planning import policy as limits
from reconcile.planning.diff import diff
from tests.kit.desk import BINANCE, CROSSED, NOTHING_HELD, desired, observed, position, symbol, target

PLACE = "BTCUSDT.long"


def the_entry(account: ObservedAccount, margin: str | None, policy: Policy) -> Entry:
    """The one declared entry of an account that shows this."""
    entries = diff(desired(target(PLACE, margin)), account, held=NOTHING_HELD, traits=BINANCE)
    return limits.check(entries, policy, account).entries[0]


def test_a_type_that_cannot_change_names_the_account_mode_the_position_and_the_orders() -> None:
    account = observed(
        (position(PLACE, kind=CROSSED),), (symbol("BTCUSDT", CROSSED, open_orders=True),), multi_assets=True
    )
    entry = the_entry(account, None, Policy())
    assert (entry.status, entry.blocked_by) == (Status.BLOCKED, "multi_assets")
    for words in ("multi-assets mode", "the type cannot change while BTCUSDT.long", "BTCUSDT has open orders"):
        assert words in entry.reason
    assert (entry.steps, entry.wanted is not None) == ((), True)


def test_a_reduction_names_auto_add_what_can_be_taken_out_and_the_limit_in_its_way() -> None:
    account = observed((position(PLACE, auto_add=True, most="10"),))
    entry = the_entry(account, "1", Policy(allow_reduce=False))
    assert (entry.status, entry.blocked_by) == (Status.BLOCKED, "auto_add")
    for words in ("auto-add margin is on", "more than the 10 that can be taken out", "allow_reduce"):
        assert words in entry.reason


def test_a_limit_alone_blocks_as_before() -> None:
    entry = the_entry(observed((position(PLACE),)), "5000", Policy(max_add={"USDT": Decimal(1)}, max_margin=None))
    assert (entry.status, entry.blocked_by) == (Status.BLOCKED, "max_add")
    assert entry.reason == "adding 4000 USDT is over max_add 1; raise it, or override it for one run"
