"""Public endpoints of OKX: instruments, tiers, the time, and maintenance."""

from collections.abc import Iterable
from decimal import Decimal

from reconcile.money import plain
from reconcile.sandbox.okx.gate import OkxRefusal, invalid, missing
from reconcile.sandbox.okx.shapes import family, inst_type, lot
from reconcile.sandbox.values import Market

INST_TYPES = frozenset({"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION"})


def _type_of(params: dict[str, str]) -> str:
    kind = params.get("instType", "")
    if not kind:
        raise missing("instType")
    if kind not in INST_TYPES:
        raise invalid("instType")
    return kind


def instruments(markets: Iterable[Market], params: dict[str, str]) -> list[dict[str, object]]:
    """Contract metadata of one instrument type."""
    kind, wanted, families = _type_of(params), params.get("instId"), params.get("instFamily") or params.get("uly")
    found = [market for market in markets if inst_type(market.symbol) == kind]
    if wanted:
        found = [market for market in found if market.symbol == wanted]
        if not found:
            raise OkxRefusal(200, "51001", "Instrument ID doesn't exist.")
    if families:
        found = [market for market in found if family(market) == families]
    return [_instrument(market) for market in found]


def _instrument(market: Market) -> dict[str, object]:
    blank = dict.fromkeys(("alias", "auctionEndTime", "baseCcy", "contTdSwTime", "optType", "quoteCcy", "stk"), "")
    return {
        **blank,
        "category": "1",
        "ctMult": "1",
        "ctType": "inverse" if market.inverse else "linear",
        "ctVal": plain(market.contract_value),
        "ctValCcy": market.quote if market.inverse else market.base,
        "expTime": "" if inst_type(market.symbol) == "SWAP" else "1900000000000",
        "futureSettlement": False,
        "instFamily": family(market),
        "instId": market.symbol,
        "instType": inst_type(market.symbol),
        "lever": str(market.tiers[0].leverage),
        "listTime": "1605100995892",
        "lotSz": plain(lot(market)),
        "maxLmtAmt": "20000000",
        "maxLmtSz": "100000000",
        "maxMktAmt": "",
        "maxMktSz": "35000",
        "minSz": plain(lot(market)),
        "openType": "fix_price",
        "ruleType": "normal",
        "settleCcy": market.asset,
        "state": "live",
        "tickSz": plain(market.tick),
        "uly": family(market),
    }


def tiers(markets: Iterable[Market], params: dict[str, str]) -> list[dict[str, object]]:
    """The brackets of up to five families, in contracts."""
    kind, mode = _type_of(params), params.get("tdMode", "")
    asked = params.get("instFamily") or params.get("uly") or ""
    families = [name for name in asked.split(",") if name]
    if not mode:
        raise missing("tdMode")
    if mode not in {"cross", "isolated"}:
        raise invalid("tdMode")
    if not families:
        raise missing("instFamily")
    if len(families) > 5:
        raise invalid("instFamily")
    shown: dict[str, Market] = {}
    for market in markets:
        if inst_type(market.symbol) == kind and family(market) in families:
            shown.setdefault(family(market), market)
    return [row for name in families if name in shown for row in _tiers_of(shown[name])]


def _tiers_of(market: Market) -> list[dict[str, object]]:
    return [
        {
            "baseMaxLoan": "",
            "imr": plain((1 / Decimal(tier.leverage)).quantize(Decimal("1e-8"))),
            "instFamily": family(market),
            "instId": "",
            "maxLever": str(tier.leverage),
            "maxSz": plain(tier.cap),
            "minSz": plain(tier.floor + lot(market)) if tier.floor else "0",
            "mmr": plain(tier.mmr),
            "optMgnFactor": "0",
            "quoteMaxLoan": "",
            "tier": str(index),
            "uly": family(market),
        }
        for index, tier in enumerate(market.tiers, start=1)
    ]


def mark_prices(markets: Iterable[Market], params: dict[str, str], now_ms: int) -> list[dict[str, object]]:
    """Mark prices of one instrument type."""
    kind, wanted = _type_of(params), params.get("instId")
    return [
        {"instType": kind, "instId": market.symbol, "markPx": plain(market.mark), "ts": str(now_ms)}
        for market in markets
        if inst_type(market.symbol) == kind and wanted in {None, "", market.symbol}
    ]
