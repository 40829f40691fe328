"""JSON documents: valid by their published schemas, and plans that come back as what they were."""

import json as stdlib
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.errors import Declined, InputError
from reconcile.model.account import Address, Percent, Policy
from reconcile.model.plan import PlanError
from reconcile.model.status import AccountStatus, OpenStep
from reconcile.render import status as standing
from reconcile.render.common.json import digest_of, dumps
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.saved import loads_plan
from reconcile.render.result.json import result_document
from reconcile.render.schema import documents
from tests.kit.documents_sample import account, desired, every_entry, every_result, plan

REFUSED = PlanError(key="max_add", asset="USDT", limit="1", value="2", message="too much")


STEP = OpenStep(
    address=Address.parse("BTCUSDT.long"),
    action="add_margin",
    asset="USDT",
    amount=Decimal(300),
    outcome="unknown",
    since="2026-01-01T00:00:00.000Z",
    evidence="two ledger rows fit",
    resolvable_at_ms=1_767_225_608_000,
)
STATUSES = (
    AccountStatus(account="main", unsettled=(STEP, replace(STEP, amount=None, outcome=None)), journal_head="f" * 64),
    AccountStatus(
        account="b",
        lock={"host": "h", "pid": "7"},
        journal_head="f" * 64,
        frozen="incident",
        errors=(REFUSED,),
        exit_code=1,
    ),
)

DOCUMENTS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "plan": ("plan", lambda: plan_document(plan())),
    "plan of nothing": ("plan", lambda: plan_document(plan(account([])))),
    "plan refused": ("plan", lambda: plan_document(plan(account(errors=[REFUSED], exit_code=4)))),
    "plan unread": (
        "plan",
        lambda: plan_document(
            plan(
                replace(
                    account([], errors=[REFUSED], exit_code=1),
                    identity=None,
                    observed=None,
                    observed_wall_ms=None,
                    available_after={},
                )
            )
        ),
    ),
    "result": ("result", lambda: result_document(every_result())),
    "status": ("status", lambda: standing.document(STATUSES)),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_document_is_valid_by_its_published_schema(case: str) -> None:
    name, make = DOCUMENTS[case]
    schema = documents.schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(make())


@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_document_has_every_field_that_its_schema_names(case: str) -> None:
    name, make = DOCUMENTS[case]
    model, document = documents.MODELS[name], make()
    assert set(model.model_json_schema()["properties"]) == set(document)


@pytest.mark.parametrize("amount", [300, 300.5, "1e3", "NaN", ""])
def test_an_amount_that_is_no_plain_decimal_string_is_invalid(amount: object) -> None:
    document = plan_document(plan())
    document["accounts"][0]["entries"][0]["steps"][0]["amount"] = amount
    errors = list(jsonschema.Draft202012Validator(documents.schema("plan")).iter_errors(document))
    assert errors


@pytest.mark.parametrize("case", ["plan", "plan of nothing", "plan refused", "plan unread"])
def test_a_saved_plan_comes_back_as_it_was(case: str) -> None:
    document = DOCUMENTS[case][1]()
    saved = loads_plan(dumps(document))
    assert plan_document(saved.plan) == document
    assert saved.digest == document["digest"]


def test_a_saved_plan_brings_back_what_applying_it_needs() -> None:
    before = plan()
    after = loads_plan(dumps(plan_document(before))).plan
    assert [step.step_id for step in after.accounts[0].steps] == ["s1", "s2", "s3"]
    assert after.accounts[0].desired.policy == before.accounts[0].desired.policy
    assert (after.created_ms, after.expires_ms) == (before.created_ms, before.expires_ms)
    first, again = before.accounts[0].steps[0], after.accounts[0].steps[0]
    assert (first.address, getattr(first, "amount", 0)) == (again.address, getattr(again, "amount", 1))


AMOUNTS = st.decimals(min_value=Decimal("0.0001"), max_value=Decimal(10) ** 12, places=8)
LIMITS = st.one_of(st.none(), AMOUNTS, st.dictionaries(st.sampled_from(["USDT", "BTC"]), AMOUNTS, min_size=1))


@given(LIMITS, LIMITS, st.one_of(st.none(), AMOUNTS.map(lambda value: Percent(value=value))), st.booleans())
def test_every_policy_survives_saving(max_add: Any, available: Any, share: Any, allow: bool) -> None:  # noqa: FBT001
    policy = Policy(
        allow_reduce=allow,
        max_add=max_add,
        min_available=available,
        max_margin=share if share is not None else max_add,
        min_liquidation_distance=share,
    )
    made = plan(replace(account(), desired=desired(every_entry(), policy=policy)))
    assert loads_plan(dumps(plan_document(made))).plan.accounts[0].desired.policy == policy


@given(st.data())
def test_any_change_to_a_saved_plan_is_noticed(data: st.DataObject) -> None:
    text = dumps(plan_document(plan()))
    place = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.characters(codec="ascii"))
    changed = text[:place] + char + text[place + 1 :]
    try:
        same = stdlib.loads(changed) == stdlib.loads(text)
    except ValueError:
        same = False
    if same:
        assert loads_plan(changed).plan == loads_plan(text).plan
    else:
        with pytest.raises((Declined, InputError)):
            loads_plan(changed)


def test_a_changed_amount_is_declined_under_the_key_digest() -> None:
    text = dumps(plan_document(plan())).replace('"amount": "300"', '"amount": "3000"')
    with pytest.raises(Declined, match="changed after it was saved") as caught:
        loads_plan(text)
    assert caught.value.key == "digest"


def resealed(change: Callable[[dict[str, Any]], None]) -> str:
    """A plan that was changed and given the digest of what it became."""
    document = stdlib.loads(dumps(plan_document(plan())))
    change(document)
    document["digest"] = digest_of(document)
    return dumps(document)


def _drop(document: dict[str, Any]) -> None:
    del document["accounts"][0]["position_mode"]


def _negative(document: dict[str, Any]) -> None:
    document["accounts"][0]["entries"][0]["steps"][0]["amount"] = "-300"


def _order(document: dict[str, Any]) -> None:
    document["accounts"][0]["order"] = ["s1"]


def _address(document: dict[str, Any]) -> None:
    document["accounts"][0]["entries"][0]["address"] = "BTCUSDT"


def _time(document: dict[str, Any]) -> None:
    document["expires_at"] = "2026-01-01T00:00:00"


def _float(document: dict[str, Any]) -> None:
    document["accounts"][0]["entries"][0]["steps"][0]["before"] = 1200.0


@pytest.mark.parametrize("change", [_drop, _negative, _order, _address, _time, _float])
def test_a_sealed_plan_that_makes_no_sense_is_an_input_error(change: Callable[[dict[str, Any]], None]) -> None:
    with pytest.raises(InputError, match="reading the saved plan"):
        loads_plan(resealed(change))


def test_fields_of_a_later_version_are_passed_over() -> None:
    def add(document: dict[str, Any]) -> None:
        document["accounts"][0]["from_the_future"] = {"a": 1}

    assert loads_plan(resealed(add)).plan == loads_plan(dumps(plan_document(plan()))).plan


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"format": "reconcile.plan/2"}', "[" * 100_000])
def test_what_is_no_plan_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError, match="reading the saved plan"):
        loads_plan(text)


def test_the_output_is_pure_ascii() -> None:
    assert dumps(plan_document(plan(overrides={"max_add": "９"}))).isascii()


def test_a_status_in_text_says_what_is_open_and_what_to_do() -> None:
    assert standing.text(STATUSES) == (
        "main: the lock is free\n"
        "  ? BTCUSDT.long +300 USDT unknown since 2026-01-01T00:00:00.000Z; may be resolved from "
        "2026-01-01T00:00:08.000Z; two ledger rows fit\n"
        "  ? BTCUSDT.long add_margin has no outcome yet since 2026-01-01T00:00:00.000Z; may be resolved from "
        "2026-01-01T00:00:08.000Z; two ledger rows fit\n"
        f"  journal head {'f' * 64}\n"
        "b: locked by host h, pid 7\n"
        "  ! frozen: incident; every apply of this account is refused\n"
        "  ! max_add: too much\n"
        f"  journal head {'f' * 64}\n"
        "What to do: reconcile explain unknown unsettled_step frozen max_add\n"
        "2 unsettled. The next apply looks again by itself; what it cannot tell, a person settles with "
        "'reconcile resolve ACCOUNT:ADDRESS --as applied|not-applied --reason TEXT'.\n"
    )


def test_a_status_in_markdown_is_a_table_of_what_is_open() -> None:
    rows = [line for line in standing.markdown(STATUSES).splitlines() if line.startswith("| <code>")]
    assert rows[0] == (
        "| <code>main</code> | <code>BTCUSDT.long</code> | +300 USDT | unknown | 2026-01-01T00:00:00.000Z | "
        "2026-01-01T00:00:08.000Z |"
    )
    assert len(rows) == 2


def test_a_fraction_in_a_record_of_another_version_is_written_as_a_string() -> None:
    assert stdlib.loads(dumps({"notes": [{"details": {"later": Decimal("1.50")}}]})) == {
        "notes": [{"details": {"later": "1.5"}}]
    }
    with pytest.raises(TypeError, match="no place in JSON"):
        dumps({"a": object()})


@pytest.mark.parametrize(
    ("outcome", "rule"), [(None, "unsettled step"), ("unknown", "unsettled step"), ("accepted", "accepted step")]
)
def test_a_status_names_what_holds_the_address_of_an_open_step(outcome: str | None, rule: str) -> None:
    (account,) = standing.document([AccountStatus(account="main", unsettled=(replace(STEP, outcome=outcome),))])[
        "accounts"
    ]
    assert [(step["held_by"], step["held_until"]) for step in account["unsettled"]] == [(rule, None)]
