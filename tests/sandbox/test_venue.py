"""The network before the exchange: what is lost, late, repeated, replaced, and what a replica does not know yet."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile.errors import InputError
from reconcile.sandbox.binance.replies import REPLIES as BINANCE_REPLIES
from reconcile.sandbox.faults import (
    NEVER_LEFT,
    REPLIES,
    Ending,
    Fault,
    FaultPlan,
    FaultRule,
    Faults,
    NoFaults,
    Scripted,
)
from reconcile.sandbox.http import Lag, Request
from reconcile.sandbox.swarm import Swarm, SwarmLimits
from reconcile.sandbox.venue import TimelineEvent, Venue
from tests.kit.binance_client import NOW, Client, D, demo_books

START = NOW + 1000


def venue_of(client: Client, *faults: Fault, latency_ms: int = 0) -> Venue:
    """The client's exchange, the given faults happening to its writes in order."""
    return Venue(dialect=client.binance, faults=Scripted(faults, method="POST"), latency_ms=latency_ms)


def adding(client: Client, amount: int = 10, **params: object) -> Request:
    """An addition to BTCUSDT.long."""
    usual = {"symbol": "BTCUSDT", "positionSide": "LONG", "amount": amount, "type": 1, "recvWindow": 3000}
    return client.request("POST", "/fapi/v1/positionMargin", **{**usual, **params})


def added(client: Client) -> Decimal:
    """What BTCUSDT.long has gained."""
    return client.books.margin("BTCUSDT", "long") - 3000


def test_without_faults_the_answer_comes_after_a_round_trip() -> None:
    client = Client()
    delivery = venue_of(client, latency_ms=31).submit(adding(client), START)
    assert delivery.answer is not None
    assert (delivery.answer.status, delivery.at_ms, added(client)) == (200, START + 31, D(10))
    assert client.books.effects[-1].time_ms == START + 15


ENDINGS = [
    (Fault(ending=Ending.LOST), Ending.LOST, 10, 0),
    (Fault(arrives_ms=(), ending=Ending.LOST), Ending.LOST, 0, 0),
    (Fault(ending=Ending.TIMEOUT), Ending.TIMEOUT, 10, 10_000),
    (Fault(arrives_ms=(), ending=Ending.TIMEOUT), Ending.TIMEOUT, 0, 10_000),
    (Fault(arrives_ms=()), Ending.TIMEOUT, 0, 10_000),
    (Fault(ending=Ending.REFUSED), Ending.REFUSED, 0, 0),
    (Fault(ending=Ending.NAME), Ending.NAME, 0, 0),
    (Fault(ending=Ending.CONNECT_TIMEOUT), Ending.CONNECT_TIMEOUT, 0, 5_000),
    (Fault(ending=Ending.TLS), Ending.TLS, 10, 0),
    (Fault(arrives_ms=(), ending=Ending.TLS), Ending.TLS, 0, 0),
    (Fault(ending=Ending.CUT), Ending.CUT, 10, 0),
    (Fault(answer_ms=10_001), Ending.TIMEOUT, 10, 10_000),
    (Fault(arrives_ms=(0, 500)), None, 10, 0),
    (Fault(answer_ms=700), None, 10, 700),
]


@pytest.mark.parametrize(("fault", "trouble", "effect", "after_ms"), ENDINGS)
def test_each_ending_has_its_trouble_its_moment_and_its_effect(
    fault: Fault, trouble: Ending | None, effect: int, after_ms: int
) -> None:
    client = Client()
    delivery = venue_of(client, fault).submit(adding(client), START)
    assert (delivery.trouble, delivery.at_ms - START, added(client)) == (trouble, after_ms, D(effect))
    assert (delivery.answer is None) == (trouble not in {None, Ending.CUT})


def test_a_cut_answer_is_half_of_it() -> None:
    client = Client()
    delivery = venue_of(client, Fault(ending=Ending.CUT)).submit(adding(client), START)
    assert delivery.answer is not None
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(delivery.answer.body)


@pytest.mark.parametrize("name", sorted({**REPLIES, **BINANCE_REPLIES}))
@pytest.mark.parametrize("arrives", [(0,), ()])
def test_any_reply_can_come_with_or_without_the_effect(name: str, arrives: tuple[int, ...]) -> None:
    client = Client()
    reply = {**REPLIES, **BINANCE_REPLIES}[name]
    delivery = venue_of(client, Fault(arrives_ms=arrives, reply=reply)).submit(adding(client), START)
    assert (delivery.answer, added(client)) == (reply, D(10 * len(arrives)))


@pytest.mark.parametrize(("late_ms", "effect"), [(1, 10), (2999, 10), (3000, 10), (3001, 0), (9000, 0)])
def test_a_late_request_counts_to_the_end_of_its_validity_and_no_longer(late_ms: int, effect: int) -> None:
    client = Client()
    venue = venue_of(client, Fault(arrives_ms=(late_ms,), ending=Ending.LOST))
    venue.submit(adding(client), START)
    assert added(client) == 0
    venue.advance(START + late_ms - 1)
    assert added(client) == 0
    venue.advance(START + late_ms)
    assert added(client) == D(effect)


@pytest.mark.parametrize(("late_ms", "effect"), [(3000, 10), (3001, 0)])
def test_a_queued_request_takes_effect_later_than_it_is_judged(late_ms: int, effect: int) -> None:
    client = Client()
    venue = venue_of(client, Fault(arrives_ms=(late_ms,), queued_ms=5000, reply=REPLIES["object_200"]))
    venue.submit(adding(client), START)
    venue.advance(START + late_ms + 4999)
    assert added(client) == 0
    venue.advance(START + late_ms + 5000)
    assert added(client) == D(effect)


def test_a_repeated_request_takes_effect_twice_and_both_are_told_apart() -> None:
    client = Client()
    venue = venue_of(client, Fault(arrives_ms=(0, 1500)))
    venue.submit(adding(client), START)
    venue.advance(START + 1500)
    told = [(effect.request, effect.delivery, effect.time_ms) for effect in client.books.effects[-2:]]
    assert (added(client), told) == (D(20), [(1, 1, START), (1, 2, START + 1500)])


def test_a_clock_that_differs_decides_validity() -> None:
    client = Client()
    venue = Venue(dialect=client.binance, clock=lambda now: now + 3001)
    delivery = venue.submit(adding(client), START)
    assert delivery.answer is not None
    assert json.loads(delivery.answer.body)["code"] == -1021


def test_what_is_due_happens_in_order() -> None:
    client = Client()
    venue = venue_of(client, Fault(arrives_ms=(2000,), ending=Ending.LOST))
    venue.at(START + 2500, lambda now: client.books.fund("BTCUSDT", "long", D(-1), now_ms=now))
    venue.submit(adding(client), START)
    assert venue.next_due() == START + 2000
    venue.advance(START + 9000)
    assert [(effect.cause, effect.time_ms) for effect in client.books.effects[-2:]] == [
        ("add", START + 2000),
        ("funding", START + 2500),
    ]
    assert venue.next_due() is None


def test_the_timeline_tells_what_happened_without_a_secret() -> None:
    client = Client()
    venue = venue_of(client, Fault(arrives_ms=(5, 9), ending=Ending.LOST))
    timeline: list[TimelineEvent] = []
    venue.timeline = timeline
    venue.submit(adding(client), START)
    venue.advance(START + 10)
    assert [(event.what, event.at_ms - START) for event in timeline] == [("sent", 0), ("arrived", 5), ("arrived", 9)]
    assert "signature" not in str(timeline)
    assert client.account.key not in str(timeline)


def behind(lag: Lag) -> tuple[Client, Venue]:
    """An account whose margin was raised a second ago, seen through a replica."""
    client = Client(books=demo_books(keep_ms=60_000))
    venue = Venue(dialect=client.binance, faults=FaultPlan([FaultRule(fault=Fault(lag=lag), method="GET")]))
    venue.submit(adding(client, 100), START)
    client.now_ms = START + 1000
    return client, venue


def seen(client: Client, venue: Venue, path: str, **params: object) -> list[dict[str, str]]:
    """What a read shows."""
    delivery = venue.submit(client.request("GET", path, **params), client.now_ms)
    if delivery.answer is None:
        raise AssertionError(delivery)
    rows: list[dict[str, str]] = json.loads(delivery.answer.body)
    return rows


HISTORY = "/fapi/v1/positionMargin/history"
LAGS = [
    (Lag(), ("3100.00000000", "4900.00000000", 1)),
    (Lag(positions_ms=1000), ("3100.00000000", "4900.00000000", 1)),
    (Lag(positions_ms=1001), ("3000.00000000", "4900.00000000", 1)),
    (Lag(balances_ms=1001), ("3100.00000000", "5000.00000000", 1)),
    (Lag(ledger_ms=1001), ("3100.00000000", "4900.00000000", 0)),
]


@pytest.mark.parametrize(("lag", "expected"), LAGS)
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_each_kind_of_data_can_be_behind_by_itself(lag: Lag, expected: tuple[str, str, int], version: str) -> None:
    client, venue = behind(lag)
    margin = seen(client, venue, f"/fapi/{version}/positionRisk")[0]["isolatedWallet"]
    free = seen(client, venue, f"/fapi/{version}/balance")[0]["availableBalance"]
    rows = seen(client, venue, HISTORY, symbol="BTCUSDT", startTime=START)
    assert (margin, free, len(rows)) == expected


def test_one_read_of_positions_can_show_none() -> None:
    client, venue = behind(Lag(empty=True))
    assert seen(client, venue, "/fapi/v2/positionRisk") == []
    assert seen(client, venue, "/fapi/v3/positionRisk") == []
    assert len(seen(client, venue, HISTORY, symbol="BTCUSDT", startTime=START)) == 1


def test_replicas_answer_in_turn() -> None:
    client, venue = behind(Lag())
    venue.faults = Scripted([Fault(), Fault(lag=Lag(positions_ms=5000))] * 2, method="GET")
    margins = [seen(client, venue, "/fapi/v2/positionRisk", symbol="BTCUSDT")[0]["isolatedWallet"] for _ in range(4)]
    assert margins == ["3100.00000000", "3000.00000000"] * 2


def test_a_rule_applies_to_the_requests_it_names() -> None:
    client = Client()
    rule = FaultRule(
        fault=Fault(ending=Ending.LOST), method="POST", path="/fapi/*/positionMargin", contains="amount=7", nth=(2,)
    )
    plan = FaultPlan([rule])
    requests = [adding(client, amount) for amount in (7, 8, 7, 7)]
    picked = [plan.pick(request).ending for request in requests]
    assert picked == [Ending.TRUE, Ending.TRUE, Ending.LOST, Ending.TRUE]


def test_a_faults_file_says_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(
        """
        [[rule]]
        method = "POST"
        nth = [1]
        arrives_ms = [0, 800]
        answer = "503_unknown"
        [[rule]]
        path = "/fapi/v2/*"
        positions_ms = 3000
        empty = true
        [[rule]]
        path = "*/history"
        status = 418
        body = "teapot"
        chance = 0.0
        """
    )
    plan = FaultPlan.load(path, replies={**REPLIES, **BINANCE_REPLIES})
    client = Client()
    post = plan.pick(adding(client))
    read = plan.pick(client.request("GET", "/fapi/v2/positionRisk"))
    history = plan.pick(client.request("GET", HISTORY))
    assert (post.arrives_ms, post.reply) == ((0, 800), BINANCE_REPLIES["503_unknown"])
    assert read.lag == Lag(positions_ms=3000, empty=True)
    assert history == Fault()


def test_a_faults_file_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    with pytest.raises(InputError, match=rf"^reading the faults file {path}: No such file or directory; give a TOML"):
        FaultPlan.load(path, replies={})


def test_a_faults_file_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('{"seed": 3, "rule": [{"method": "POST", "answer": "lost"}]}')
    assert FaultPlan.load(path, replies={}).pick(adding(Client())).ending is Ending.LOST


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule = 3", "not iterable"),
        ('[[rule]]\nmethd = "POST"', "unknown key 'methd'"),
        ('[[rule]]\nanswer = "maybe"', "answer 'maybe' is not known"),
        ("[[rule]]\narrives_ms = [-1]", "cannot be negative"),
        ("other = 1", "unknown key 'other'"),
        ("[[", "give a TOML or JSON file"),
    ],
)
def test_a_wrong_faults_file_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        FaultPlan.load(path, replies=REPLIES)


def test_a_faults_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        FaultPlan.load(tmp_path / "none.toml", replies=REPLIES)


def drawn(seed: int, count: int = 60) -> list[Fault]:
    """What a swarm does to a row of requests."""
    client = Client()
    swarm: Faults = Swarm(seed, limits=SwarmLimits(validity_ms=3000), replies={**REPLIES, **BINANCE_REPLIES})
    requests = [adding(client), client.request("GET", "/fapi/v2/positionRisk")]
    return [swarm.pick(requests[number % 2]) for number in range(count)]


def test_a_seed_draws_the_same_again_and_another_draws_otherwise() -> None:
    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)


def test_swarms_reach_every_ending_and_stay_within_the_assumptions() -> None:
    faults = [fault for seed in range(200) for fault in drawn(seed)]
    assert {fault.ending for fault in faults} == set(Ending)
    assert all(delay <= 3001 for fault in faults for delay in fault.arrives_ms)
    assert max(fault.lag.positions_ms for fault in faults) <= 5000
    assert max(fault.lag.ledger_ms for fault in faults) <= 5000
    assert max(len(fault.arrives_ms) for fault in faults) == 2
    assert all(sum(fault.lag.empty for fault in drawn(seed)) <= 1 for seed in range(50))
    assert all(not fault.arrives_ms for fault in faults if fault.ending in NEVER_LEFT)


def test_no_faults_are_none() -> None:
    assert NoFaults().pick(adding(Client())) == Fault()
