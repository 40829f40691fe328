"""Reads are repeated and say honestly what is wrong; writes leave once; secrets show nowhere."""

import json
from decimal import Decimal

import pytest

from reconcile.errors import InDoubt, NotSent, ReadFailed, RefusalKind, Refused
from reconcile.exchanges.base import Accepted, Call
from reconcile.exchanges.binance import codes
from reconcile.exchanges.binance.dialect import BinanceDialect, classify, weight_of
from reconcile.exchanges.http import retry
from reconcile.exchanges.http.limits import Limits
from reconcile.exchanges.http.transport import Transport, at_once
from reconcile.exchanges.http.wire import HttpRequest, HttpResponse
from tests.kit.fakes import KEY, SECRET, SERVED_MS, FakeWire, VirtualClock, answer, params_of, path_of, run, setup

HTML = HttpResponse(status=403, headers={}, body=b"<html>blocked</html>")
BUSY = answer({"code": -1003, "msg": "Too many requests"}, 429, retry_after="3")
OK = answer({"code": 200, "msg": "success"})


class Bench:
    """A transport on a fake wire."""

    def __init__(self, **answers: object) -> None:
        self.clock = VirtualClock()
        self.wire = FakeWire(self.clock)
        self.wire.answers |= {f"/{name}": told for name, told in answers.items()}
        self.limits = Limits(self.clock)
        self.transport = self.account("one")

    def account(self, key: str) -> Transport:
        built = setup(self.wire, limits=self.limits, key=key)
        return Transport(built, BinanceDialect(built))

    async def get(self) -> object:
        return await self.transport.get("/p", {"symbol": "BTCUSDT"}, weight_of(1))

    async def send(self) -> Accepted:
        call = Call(request=HttpRequest(method="POST", url="https://h/w?timestamp=1&signature=ff"), signed_at_ms=1)
        return await self.transport.send(
            call, lambda response, now_ms: classify(codes.MARGIN, response, now_ms=now_ms), weight_of(1)
        )


def test_numbers_arrive_as_exact_decimals() -> None:
    bench = Bench(p=HttpResponse(status=200, headers={}, body=b'{"amount": 0.1000000000000000055511151231257827}'))
    assert run(bench.get) == {"amount": Decimal("0.1000000000000000055511151231257827")}


def test_a_signed_read_carries_the_time_of_the_exchange_whatever_the_local_clock_says() -> None:
    bench = Bench(p=answer([]))
    run(bench.get)
    sent_at, request = bench.wire.sent[-1]
    assert SERVED_MS + sent_at - 40 <= int(params_of(request)["timestamp"]) <= SERVED_MS + sent_at


@pytest.mark.parametrize("trouble", [HTML, BUSY, answer({}, 502), NotSent("no connection"), InDoubt("reset")])
def test_a_read_outlives_a_passing_trouble(trouble: object) -> None:
    told = [answer({"code": -1000, "msg": "x"}, 400) if trouble is HTML else trouble, answer([1])]
    assert run(Bench(p=told).get) == [1]


@pytest.mark.parametrize(
    ("told", "tries", "words"),
    [
        (HTML, 1, "HTML instead of JSON .HTTP 403.; a firewall on the way or in front of the exchange"),
        (HttpResponse(status=404, headers={}, body=b"<html>"), 1, "HTTP 404.; the exchange does not have this path"),
        (HttpResponse(status=407, headers={}, body=b"<html>"), 1, "HTTP 407.; the proxy wants a user and a password"),
        (HttpResponse(status=451, headers={}, body=b"<html>"), 1, "HTTP 451.; the exchange does not serve the place"),
        (answer({"code": 0, "msg": "restricted location"}, 451), 1, "run reconcile from a place that Binance serves"),
        (answer({"code": -2008, "msg": "no"}, 401), 1, 'a key of the testnet needs endpoint = "testnet"'),
        (HttpResponse(status=200, headers={}, body=b""), 4, "the answer is empty"),
        (HttpResponse(status=200, headers={}, body=b"not json"), 4, "the answer is not JSON"),
        (answer("text"), 4, "not what the exchange documents"),
        (answer({"code": 0, "msg": ""}), 4, "not what the exchange documents"),
        (HttpResponse(status=302, headers={}, body=b"<html>"), 1, "HTML instead of JSON .HTTP 302."),
        (NotSent("refused"), 4, "fapi.binance.com did not answer .refused.; check the endpoint and the network"),
        (answer({"code": -2015, "msg": "Invalid API-key, request ip: 203.0.113.9"}, 401), 1, "<ip>.*check the API key"),
        (answer({"code": -1121, "msg": "Invalid symbol."}, 400), 1, "-1121 .an unknown symbol.: Invalid symbol."),
        (answer({"code": -9999, "msg": "new"}, 503), 4, "-9999: new .*; reconcile's table does not have this code"),
        (HttpResponse(status=200, headers={}, body=b"[" * 100_000), 4, "not JSON"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_read_that_cannot_be_used_says_why_and_what_to_do(told: object, tries: int, words: str) -> None:
    bench = Bench(p=told)
    with pytest.raises(ReadFailed, match=words):
        run(bench.get)
    assert bench.wire.paths() == ["/p"] * tries


def test_a_clock_refusal_makes_the_next_try_ask_for_the_time_again() -> None:
    wrong = answer({"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}, 400)
    bench = Bench(p=[wrong, answer([])])
    run(bench.get)
    asked = [path_of(request) for _, request in bench.wire.sent]
    assert asked == ["/fapi/v1/time", "/p", "/fapi/v1/time", "/p"]


def test_many_reads_at_once_share_one_question_for_the_time() -> None:
    bench = Bench(p=answer([]))

    async def main() -> None:
        async with at_once() as group:
            for _ in range(5):
                group.create_task(bench.get())

    run(main)
    assert bench.transport.requests == {"read": 5, "public": 1, "write": 0}


def test_of_requests_at_once_the_first_failure_comes_out_as_itself_and_stops_the_others() -> None:
    bench = Bench(p=HTML)

    async def main() -> None:
        async with at_once() as group:
            group.create_task(bench.get())
            group.create_task(bench.clock.sleep(1_000_000))

    with pytest.raises(ReadFailed):
        run(main)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (OK, Accepted),
        (answer({"code": -4054, "msg": "x"}, 400), Refused),
        (BUSY, Refused),
        (answer({}, 503), InDoubt),
        (HTML, InDoubt),
        (InDoubt("reset"), InDoubt),
        (NotSent("refused"), NotSent),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_write_leaves_exactly_once_whatever_comes_back(told: object, expected: type) -> None:
    bench = Bench(w=told)

    async def main() -> object:
        try:
            return await bench.send()
        except (NotSent, Refused, InDoubt) as error:
            return error

    assert type(run(main)) is expected
    assert bench.wire.paths() == ["/w"]
    assert bench.transport.requests["write"] == (0 if expected is NotSent else 1)


@pytest.mark.parametrize("told", [BUSY, HttpResponse(status=429, headers={}, body=b"<html>")], ids=["json", "html"])
def test_after_a_throttle_answer_another_account_on_the_same_address_waits(told: HttpResponse) -> None:
    bench = Bench(w=told, p=answer([]))

    async def main() -> int:
        with pytest.raises((Refused, InDoubt)):
            await bench.send()
        began = bench.clock.monotonic_ms()
        await bench.account("two").get("/p", {}, weight_of(1))
        return bench.clock.monotonic_ms() - began

    assert run(main) >= 3_000


def test_a_clock_refusal_of_a_write_forgets_the_time() -> None:
    bench = Bench(w=answer({"code": -1021, "msg": "x"}, 400))

    async def main() -> bool:
        await bench.transport.synced()
        with pytest.raises(Refused) as caught:
            await bench.send()
        return bench.transport.time.due and caught.value.kind is RefusalKind.CLOCK

    assert run(main)


def test_a_write_that_waited_for_room_until_its_signature_was_old_is_not_sent() -> None:
    bench = Bench(w=OK, p=answer([]))

    async def main() -> None:
        await bench.transport.get("/p", {}, weight_of(2339))
        await bench.send()

    with pytest.raises(NotSent, match="look again"):
        run(main)
    assert "/w" not in bench.wire.paths()


def test_a_write_inside_its_turn_does_not_wait_again() -> None:
    bench = Bench(w=OK, p=answer([]))

    async def main() -> tuple[int, int]:
        await bench.transport.get("/p", {}, weight_of(2339))
        async with bench.transport.turn(weight_of(1)):
            began = bench.clock.monotonic_ms()
            await bench.send()
            return began, bench.clock.monotonic_ms()

    began, ended = run(main)
    assert began >= 59_000
    assert ended - began == 20


def test_a_turn_that_is_not_used_gives_its_room_back() -> None:
    bench = Bench(w=OK)

    async def main() -> int:
        async with bench.transport.turn(weight_of(2340)):
            pass
        async with bench.transport.turn(weight_of(2340)):
            return bench.clock.monotonic_ms()

    assert run(main) == 0


def test_the_used_weight_that_the_exchange_reports_holds_the_next_request_back() -> None:
    bench = Bench(p=[answer([], x_mbx_used_weight_1m="2399"), answer([])])

    async def main() -> int:
        await bench.get()
        await bench.get()
        return bench.clock.monotonic_ms()

    assert run(main) >= 60_000


def test_a_ban_longer_than_our_patience_fails_the_read_and_keeps_the_write_from_leaving() -> None:
    ban = answer({"code": -1003, "msg": f"Way too many requests; IP banned until {SERVED_MS + 600_000}."}, 418)
    bench = Bench(p=ban, w=OK)

    async def main() -> None:
        with pytest.raises(ReadFailed) as caught:
            await bench.get()
        asked_for = caught.value.retry_after_ms or 0
        assert 590_000 <= asked_for <= 600_000
        await bench.send()

    with pytest.raises(NotSent, match="shut us out"):
        run(main)
    assert bench.wire.paths() == ["/p"]


@pytest.mark.parametrize(
    "told",
    [
        HTML,
        BUSY,
        NotSent("refused"),
        InDoubt("reset"),
        answer({"code": -2014, "msg": f"API-key format invalid: {KEY}-0123456789012345678901234567890123456789"}, 401),
        answer({"code": -1022, "msg": "Signature for this request is not valid: " + "0f" * 32}, 400),
        answer({"code": -1022, "msg": f"you sent {SECRET} and {KEY[:12].upper()}"}, 400),
        answer({"code": -1022, "msg": "you sent " + "".join(f"%{ord(sign):02x}" for sign in SECRET)}, 400),
        answer({"code": -9999, "msg": SECRET}, 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_no_error_shows_the_key_the_secret_or_the_signature(told: object) -> None:
    bench = Bench(p=told, w=told)
    bench.transport = bench.account(KEY)
    shown: list[str] = []

    async def main() -> None:
        for action in (bench.get, bench.send):
            try:
                await action()
            except (ReadFailed, NotSent, Refused, InDoubt) as error:
                shown.extend([str(error), repr(error), str(error.__cause__)])

    run(main)
    text = json.dumps(shown)
    assert len(shown) == 6
    parts = ("signature=", SECRET, SECRET[:8], SECRET[-8:], "0f0f", KEY[:8], KEY[-8:], "?timestamp")
    assert not any(part in text.lower() for part in parts)


def test_reads_give_up_after_their_number_of_attempts() -> None:
    bench = Bench(p=answer({}, 500))
    with pytest.raises(ReadFailed):
        run(bench.get)
    assert bench.transport.requests["read"] == retry.READ_ATTEMPTS


@pytest.mark.parametrize(
    "served_ms", [-1, 10**17, "1e999999", 1_262_304_000_000, SERVED_MS + 1_262_304_000_000, SERVED_MS - 3_600_000]
)
def test_an_absurd_time_fails_the_read_that_needs_it_and_signs_nothing(served_ms: object) -> None:
    bench = Bench(p=answer([]))

    async def go() -> int:
        await bench.transport.sync_time()
        bench.wire.answers["/fapi/v1/time"] = answer({"serverTime": served_ms})
        bench.transport.time.forget()
        with pytest.raises(ReadFailed, match="time"):
            await bench.get()
        return bench.clock.monotonic_ms()

    assert run(go) < 60_000
    assert bench.wire.paths() == []
