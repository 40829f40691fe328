"""Positions and settings as OKX shows them, each as old as the replica that answers.

A cross and an isolated position of one instrument and side are two rows. ``margin`` is empty on cross rows, ``imr`` on
isolated ones. Rows without a position only show where an instrument is asked for by name.
"""

from collections.abc import Iterable
from decimal import Decimal

from reconcile.money import plain
from reconcile.sandbox.okx.gate import OkxCall, invalid
from reconcile.sandbox.okx.shapes import MODES, RULES, SPELLED, inst_type, number, position_id, position_mode
from reconcile.sandbox.values import ISOLATED, BookPosition, Key, Market, View, flat_position

REMEMBERED_MS = 30 * 86_400_000
"""The time for which a closed position is remembered."""
_EMPTY = ("baseBal", "interest", "liab", "liabCcy", "optVal", "posCcy", "quoteBal", "spotInUseAmt", "spotInUseCcy")


def positions(call: OkxCall) -> list[dict[str, object]]:
    """The open positions, the newest first."""
    kind, wanted, ids = call.text("instType"), call.listed("instId"), call.listed("posId")
    if kind not in {None, "SWAP", "FUTURES", "MARGIN", "OPTION"}:
        raise invalid("instType")
    if call.lag.empty:
        return []
    view = call.view
    held = sorted(view.positions.values(), key=lambda position: (-position.opened_ms, position.key))
    rows = [_row(call, view.markets[position.symbol], position) for position in held]
    if wanted is not None and call.switches.zero_rows:
        rows += [_row(call, view.markets[key[0]], None, key=key) for key in _remembered(call, wanted)]
    return [
        row
        for row in rows
        if kind in {None, row["instType"]}
        and (wanted is None or row["instId"] in wanted)
        and (ids is None or row["posId"] in ids)
    ]


def _remembered(call: OkxCall, wanted: list[str]) -> Iterable[Key]:
    """The places that once held a position and are empty now."""
    listed = call.view.markets
    keys = {
        (row.symbol, row.side, row.margin_type): None
        for row in call.books.rows_as_of(call.view.time_ms)
        if row.symbol in wanted and row.cause == "fill" and row.time_ms > call.now_ms - REMEMBERED_MS
    }
    return [key for key in keys if key not in call.view.positions and key[0] in listed]


def _row(call: OkxCall, market: Market, held: BookPosition | None, *, key: Key | None = None) -> dict[str, object]:
    position = held or flat_position(key or ("", "", ""))
    isolated, is_open = position.margin_type == ISOLATED, held is not None
    moved = position.updated_ms if call.switches.update_time_moves else position.opened_ms
    row: dict[str, object] = dict.fromkeys(_EMPTY, "")
    return {
        **row,
        "instType": inst_type(market.symbol),
        "instId": market.symbol,
        "mgnMode": SPELLED[position.margin_type],
        "posId": position_id(position, new_ids=call.switches.new_position_ids),
        "posSide": position.side,
        "pos": plain(position.size),
        "availPos": plain(position.size) if is_open else "",
        "ccy": market.asset,
        "margin": plain(position.margin) if isolated and is_open else "",
        "lever": plain(position.leverage),
        "adl": "1" if is_open else "",
        "closeOrderAlgo": [],
        "fee": "0",
        "fundingFee": "0",
        "liqPenalty": "0",
        "pnl": "0",
        "realizedPnl": "0",
        "ruleType": "normal",
        "tradeId": "",
        "usdPx": "1",
        "markPx": plain(market.mark),
        "idxPx": plain(market.mark),
        "last": plain(market.mark),
        "cTime": str(position.opened_ms),
        "uTime": str(moved),
        **_risk(call.view, market, held),
    }


def _risk(view: View, market: Market, position: BookPosition | None) -> dict[str, str]:
    if position is None:
        names = ("avgPx", "bePx", "imr", "liqPx", "mgnRatio", "mmr", "notionalUsd", "upl", "uplRatio")
        return dict.fromkeys(names, "")
    profit = market.profit(position, market.mark)
    opened = market.notional(position.size, position.entry) / position.leverage
    isolated = position.margin_type == ISOLATED
    value = market.notional(position.size, market.mark)
    price = RULES.liquidation_price(market, position)
    return {
        "avgPx": plain(position.entry),
        "bePx": plain(position.entry),
        "imr": "" if isolated else number(value / position.leverage),
        "liqPx": "" if price is None else number(price),
        "mgnRatio": number(RULES.margin_ratio(market, position) if isolated else RULES.cross_ratio(view, market.asset)),
        "mmr": number(RULES.maintenance(market, position)),
        "notionalUsd": number(value * market.mark if market.inverse else value),
        "upl": number(profit),
        "uplRatio": number(profit / opened),
    }


def _permissions(call: OkxCall) -> str:
    allowed = {"read_only": True, "trade": call.account.can_trade, "withdraw": call.switches.withdraws}
    return ",".join(name for name, is_allowed in allowed.items() if is_allowed)


def config(call: OkxCall) -> list[dict[str, object]]:
    """The account's settings."""
    books = call.books
    return [
        {
            "acctLv": str(call.switches.account_level),
            "acctStpMode": "cancel_maker",
            "autoLoan": False,
            "ctIsoMode": "automatic",
            "mgnIsoMode": "automatic",
            "enableSpotBorrow": False,
            "greeksType": "PA",
            "ip": "",
            "kycLv": "2",
            "label": "sandbox",
            "level": "Lv1",
            "levelTmp": "",
            "liquidationGear": "-1",
            "mainUid": books.uid,
            "opAuth": "0",
            "perm": _permissions(call),
            "posMode": position_mode(call.view.position_mode),
            "roleType": "0",
            "settleCcy": "",
            "settleCcyList": ["USDT", "USDC"],
            "spotOffsetType": "",
            "spotRoleType": "0",
            "spotTraderInsts": [],
            "traderInsts": [],
            "type": "0",
            "uid": books.uid,
        }
    ]


def leverage_info(call: OkxCall) -> list[dict[str, object]]:
    """The leverage of an instrument and mode; a row for each side in long/short mode."""
    names, mode = call.need("instId").split(","), call.one_of("mgnMode", "isolated", "cross")
    hedge = call.view.position_mode == "hedge" and mode == "isolated"
    return [
        {
            "instId": name,
            "ccy": "",
            "mgnMode": mode,
            "posSide": side,
            "lever": plain(_leverage(call, name, side, mode)),
        }
        for name in names
        if name in call.view.markets
        for side in (("long", "short") if hedge else ("net",))
    ]


def _leverage(call: OkxCall, symbol: str, side: str, mode: str) -> Decimal:
    held = call.view.positions.get((symbol, side, MODES[mode]))
    return call.view.settings[symbol].leverage if held is None else held.leverage


def adjust_leverage_info(call: OkxCall) -> list[dict[str, object]]:
    """The effects of another leverage; ``estAvailTrans`` is the margin that could be taken out, where told."""
    call.one_of("instType", "SWAP", "FUTURES", "MARGIN")
    mode, lever, name = call.one_of("mgnMode", "isolated", "cross"), call.need("lever"), call.need("instId")
    market = call.view.markets.get(name)
    if market is None:
        raise invalid("instId")
    held = call.view.positions.get((name, call.text("posSide") or "net", MODES[mode]))
    told = ""
    if held is not None and mode == "isolated" and call.switches.adjust_tells_removable:
        told = number(RULES.removable(market, held)) if Decimal(lever) <= held.leverage else ""
    most = market.tiers[0].leverage
    return [
        {
            "estAvailQuoteTrans": "",
            "estAvailTrans": told,
            "estLiqPx": "",
            "estMaxAmt": "",
            "estMgn": "" if held is None else number(market.notional(held.size, held.entry) / Decimal(lever)),
            "estQuoteMaxAmt": "",
            "estQuoteMgn": "",
            "existOrd": bool(call.view.settings[name].open_orders),
            "maxLever": str(most),
            "minLever": "1",
        }
    ]
