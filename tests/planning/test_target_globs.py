"""Target globs match addresses with and without their account, and an idle glob is an error."""

from dataclasses import replace

import pytest

from reconcile.errors import UsageError
from reconcile.planning.target_globs import check, matches, unmatched
from tests.kit.desk import at, desired, target

BTC = at("BTCUSDT.long")


@pytest.mark.parametrize(
    ("glob", "meant"),
    [
        ("BTC*", True),
        ("BTCUSDT.long", True),
        ("main:BTC*", True),
        ("*:*.long", True),
        ("other:BTC*", False),
        ("BTC", False),
    ],
)
def test_a_glob_means_an_address_with_or_without_its_account(glob: str, meant: bool) -> None:  # noqa: FBT001
    assert matches(glob, "main", BTC) is meant


def test_a_glob_that_means_nothing_is_an_error_that_names_it() -> None:
    account = desired(target("BTCUSDT.long", "1500"))
    check(["BTC*", "main:*"], [account])
    with pytest.raises(UsageError, match=r"--target ETH\*: matches no declared address"):
        check(["BTC*", "ETH*"], [account])


@pytest.mark.parametrize(
    ("glob", "is_open"),
    [
        ("BTCUSDT.long", False),
        ("ETHUSDT.long", True),
        ("main:SOL*", True),
        ("ETHUSDT.short", False),
        ("other:*", False),
    ],
)
def test_a_glob_that_only_a_template_may_fulfil_is_named_until_a_position_opens(glob: str, *, is_open: bool) -> None:
    account = replace(desired(target("BTCUSDT.long", "1500")), templates=(target("*.long", "500"),))
    assert unmatched([glob], account) == ([glob] if is_open else [])
