"""Every Bitget code we know: its meaning, what it proves about a write, and the source.

The module is long because it is one table.

A code that is missing proves nothing. No Bitget document says of any code that the request may have run. Doubt is our
decision wherever the words do not exclude it: timeouts, system errors, transfers under way. The same holds where only a
later read can tell (expired in the engine, lost against a concurrent operation).

Two rows need more than the number. ``40808`` and ``01001`` are a rejected parameter when their text names one, and a
failure of the exchange otherwise (``names_a_parameter``). Rows marked unified are from the unified account's tables,
because classic paths seem to share them. A code whose meaning is known only under ``/api/v3`` is doubt.
"""

import re
from collections.abc import Mapping

from reconcile.exchanges.base import Code, CodeClass

SET_LEVERAGE = "set-leverage"
CLASSIC = "Bitget API doc, classic contract REST error codes"
CLASSIC_2025 = "Bitget API doc, classic contract REST error codes of 2025-08"
UNIFIED = "Bitget API doc, unified account error codes"
CHANGES = "Bitget API doc, change log and FAQ"
BITGET_NET = "Bitget.Net error table"
CCXT = "ccxt bitget error table"

TWO_FACED = frozenset({"40808", "01001"})
"""Codes of which the text decides: a parameter that did not pass its check, or a failure of the exchange."""

_NAMES_A_PARAMETER = re.compile(
    r"\b(symbol|product ?type|margin ?coin|margin ?mode|hold ?side|amount|size|(check(bd)?)?scale)\b", re.IGNORECASE
)


def _group(
    proves: CodeClass, meanings: Mapping[str, str], *, source: str = CLASSIC, call: str | None = None
) -> tuple[Code, ...]:
    return tuple(
        Code(code=code, meaning=text, proves=proves, source=source, call=call, advice=ADVICE.get(code, ""))
        for code, text in meanings.items()
    )


_CLASSIC_ONLY = (
    "this is a unified account, and only classic Bitget accounts are managed: use a classic account or sub-account, "
    "or switch the parent account back"
)
ADVICE: Mapping[str, str] = {
    "40085": _CLASSIC_ONLY,
    "40099": 'a demo key needs endpoint = "testnet" under [account], a live key endpoint = "live"',
    "40128": _CLASSIC_ONLY,
    "25245": _CLASSIC_ONLY,
}
"""The advice for a code whose class does not say what to do."""

CODES: tuple[Code, ...] = (
    *_group(
        CodeClass.ALREADY,
        {
            "40814": "the leverage is as asked",
            "45054": "the leverage is as asked",
        },
        call=SET_LEVERAGE,
    ),
    *_group(
        CodeClass.CLOCK,
        {
            "40005": "the timestamp is malformed",
            "40008": "the timestamp is more than 30 seconds from the server's",
        },
    ),
    *_group(CodeClass.CLOCK, {"40004": "the timestamp has expired (first API generation)"}, source=CCXT),
    *_group(
        CodeClass.THROTTLE,
        {
            "429": "too many requests",
            "70228": "requests follow each other too fast",
        },
    ),
    *_group(CodeClass.THROTTLE, {"25004": "requests follow each other too fast (unified)"}, source=UNIFIED),
    *_group(
        CodeClass.LATER,
        {
            "22045": "too little liquidity at the moment",
            "22067": "auto-deleveraging runs on the symbol",
            "40200": "the server is being upgraded",
            "40842": "the configuration cannot be adjusted at the moment",
            "40844": "the contract is under maintenance",
            "40878": "the contract's index is out of order",
            "40879": "a risk is being handled, funds cannot be moved meanwhile",
            "40880": "a risk is being handled, leverage cannot change meanwhile",
            "45009": "the account is at risk, it cannot be adjusted meanwhile",
            "45043": "settlement or maintenance is under way",
        },
    ),
    *_group(
        CodeClass.LATER,
        {
            "40308": "the contract is under temporary maintenance",
            "40795": "suspended for settlement or maintenance",
        },
        source=CLASSIC_2025,
    ),
    *_group(CodeClass.LATER, {"41114": "the symbol is under maintenance"}, source=BITGET_NET),
    *_group(
        CodeClass.LATER,
        {
            "25008": "a liquidation or a risk is being handled (unified)",
            "25012": "a liquidation or a risk is being handled (unified)",
            "25102": "the instrument is under maintenance (unified)",
        },
        source=UNIFIED,
    ),
    *_group(
        CodeClass.DOUBT,
        {
            "40010": "the request timed out",
            "40015": "a system error",
            "40078": "outside the receive window of the engine; a read must tell",
            "40079": "a receive window above its limit (orders); a read must tell",
            "40725": "a service behind the gateway answered with an error",
            "40782": "an error within a transfer",
            "01001": "a value must be above 0, or a system error: the text decides",
            "40808": "a parameter did not pass its check, or a failure inside a release window: the text decides",
            "40908": "lost against a concurrent operation; a read must tell",
            "40909": "a transfer is under way",
            "40910": "the operation timed out",
            "43059": "the request failed",
            "43137": "a transfer is under way",
            "45001": "an unknown error",
            "50031": "a system error",
            "80002": "a system error",
        },
    ),
    *_group(CodeClass.DOUBT, {"40911": "expired when it reached the engine; a read must tell"}, source=BITGET_NET),
    *_group(
        CodeClass.DOUBT,
        {
            "25000": "a system error (unified)",
            "25001": "the operation timed out (unified)",
            "25003": "lost against a concurrent operation (unified); a read must tell",
            "25202": "balance or margin too small under /api/v3; its meaning here is documented nowhere",
            "25203": "balance or margin too small under /api/v3; its meaning here is documented nowhere",
            "25601": "no position under /api/v3; its meaning here is documented nowhere",
        },
        source=UNIFIED,
    ),
    *_group(
        CodeClass.STATE,
        {
            "22002": "there is no position",
            "22005": "the symbol does not support crossed margin",
            "22011": "auto margin cannot be set in crossed mode",
            "40309": "the contract was removed",
            "40716": "the symbol does not support crossed margin",
            "40802": "the position is zero, so its margin cannot be moved",
            "40838": "there is no position to set auto margin for",
            "40839": "auto margin is suspended for the contract",
            "40847": "the operation is not possible",
            "40845": "the contract was removed",
            "40872": "positions, orders or plan orders must go first",
            "40874": "auto margin cannot be set in crossed mode",
            "40875": "margin cannot be moved in crossed mode",
            "40920": "a position or order exists, the position mode cannot change",
            "43043": "there is no position",
            "43075": "the position mode does not match (one-way against hedge)",
            "45098": "the mode of symbol or assets does not permit this margin mode",
            "45099": "the mode of symbol or assets does not permit this margin mode",
            "45100": "the mode of symbol or assets does not permit this margin mode",
            "45101": "the mode of symbol or assets does not permit this margin mode",
            "45102": "auto margin cannot be set in crossed mode",
            "45117": "a position or order exists, the margin mode cannot change",
        },
    ),
    *_group(
        CodeClass.STATE,
        {
            "40726": "auto margin cannot be set in crossed mode",
            "40727": "margin cannot be moved in crossed mode",
            "40884": "a one-way position does not permit isolated margin",
            "40885": "isolated margin does not permit one-way mode",
            "40886": "auto margin cannot be set in crossed mode",
        },
        source=CLASSIC_2025,
    ),
    *_group(
        CodeClass.FUNDS,
        {"40803": "a wrong additional amount for the lower leverage"},
        source=CLASSIC_2025,
        call=SET_LEVERAGE,
    ),
    *_group(CodeClass.STATE, {"40709": "there is no position to set auto margin for"}, source=BITGET_NET),
    *_group(CodeClass.STATE, {"41113": "the symbol is offline"}, source=BITGET_NET),
    *_group(
        CodeClass.STATE,
        {
            "22051": "isolated to crossed is refused: positions or orders exist (unified)",
            "22054": "isolated to crossed is refused: the risk is too high (unified)",
            "22055": "isolated to crossed is refused: the leverages differ (unified)",
            "22069": "the symbol or the asset mode does not permit this margin mode (unified)",
            "22070": "the symbol is isolated only (unified)",
            "22071": "multi-asset mode is crossed only (unified)",
            "22072": "isolated to crossed is refused: positions exist (unified)",
            "25227": "there is no position (unified)",
        },
        source=UNIFIED,
    ),
    *_group(
        CodeClass.FUNDS,
        {
            "40754": "the balance does not suffice",
            "40762": "the order is above the most that can be opened",
            "40798": "the futures account has too little balance",
            "40800": "too little margin",
            "40801": "more than the most that can be taken out",
            "40893": "too little margin for the new leverage",
            "43012": "the balance does not suffice",
            "43117": "more than the most that can be transferred",
            "45002": "the asset does not suffice",
            "45047": "too little margin for the new leverage",
        },
    ),
    *_group(CodeClass.FUNDS, {"25242": "more than the most that can be taken out (unified)"}, source=UNIFIED),
    *_group(
        CodeClass.FUNDS,
        {
            "40711": "the futures account has too little balance (first API generation)",
            "40712": "too little margin (first API generation)",
            "40713": "more than the most that can be taken out (first API generation)",
        },
        source=CCXT,
    ),
    *_group(
        CodeClass.REQUEST,
        {
            "00001": "the time range of a query is too long",
            "01002": "more decimals than the value may have",
            "20001": "the start of a query is after its end",
            "40064": "a parameter did not pass its check",
            "40705": "the time range of a query is wrong",
            "40707": "the time range of a query is too long",
            "40806": "the currency is not supported",
            "40822": "there is no configuration of the contract",
            "43048": "the symbol is empty",
            "43049": "the margin coin is not allowed",
            "40007": "the content type is not JSON",
            "40017": "a parameter did not pass its check",
            "40019": "a parameter is empty",
            "40020": "a parameter is wrong",
            "40034": "a parameter, often the symbol, does not exist",
            "40053": "a value is outside its range",
            "40057": "a parameter does not meet its specification",
            "40058": "a parameter is above its maximum",
            "40059": "a parameter is not below its bound",
            "40072": "the symbol is not known or has no futures",
            "40102": "the symbol does not exist",
            "40404": "there is no such path",
            "40409": "the format is wrong",
            "40724": "a parameter is empty",
            "40778": "the symbol does not take this coin as margin",
            "40799": "the amount is below the smallest that can be moved",
            "40805": "the operation is not supported",
            "40811": "a parameter is missing",
            "40812": "a condition on a parameter is not met",
            "40813": "a parameter must have a value",
            "41101": "a parameter is wrong",
            "41103": "a parameter is wrong",
            "43011": "a parameter does not meet its specification",
            "45025": "the margin coin is missing",
            "48001": "a parameter did not pass its check",
            "48002": "a parameter is missing",
            "400171": "a parameter did not pass its check",
            "400172": "a parameter did not pass its check",
        },
    ),
    *_group(
        CodeClass.REQUEST,
        {
            "00171": "a parameter did not pass its check (400171 in the newer table)",
            "00172": "a parameter did not pass its check (400172 in the newer table)",
            "41002": "a parameter is wrong",
            "43058": "a parameter is wrong",
        },
        source=CLASSIC_2025,
    ),
    *_group(CodeClass.REQUEST, {"30032": "the first API generation is switched off"}, source=CHANGES),
    *_group(
        CodeClass.REQUEST,
        {
            "40203": "the amount is empty or negative (first API generation)",
            "40204": "the direction is empty (first API generation)",
            "40205": "the direction is wrong (first API generation)",
            "40206": "the side is empty (first API generation)",
            "40207": "the side is wrong (first API generation)",
            "40208": "the amount has too many decimals (first API generation)",
        },
        source=CCXT,
    ),
    *_group(
        CodeClass.PERMISSION,
        {
            "22010": "the key must be bound to an IP address",
            "22025": "margin cannot be moved in a coupon account",
            "40000": "not available in this region",
            "40001": "no key was sent",
            "40002": "no signature was sent",
            "40003": "the signature is empty",
            "40006": "the key is wrong",
            "40009": "the signature is wrong",
            "40011": "no passphrase was sent",
            "40012": "key or passphrase is wrong",
            "40013": "the user's status does not permit this",
            "40014": "the key lacks a permission",
            "40016": "a phone or an authenticator must be bound first",
            "40018": "the key is not for this IP address",
            "40022": "the account's business is restricted",
            "40023": "the API is restricted for this user",
            "40024": "the account is frozen",
            "40025": "the user lacks the permission",
            "40026": "the user is disabled",
            "40031": "the account was closed",
            "40036": "the passphrase is wrong",
            "40037": "the key does not exist",
            "40038": "the key is not for this IP address",
            "40041": "the user's key does not exist",
            "40061": "the sub-account has no access",
            "40807": "the account does not exist",
            "45019": "the account does not exist",
            "40068": "access of sub-accounts is disabled",
            "40103": "not available where this IP address is",
            "40104": "not available where this IP address is",
            "40710": "the account is frozen",
            "40714": "margin cannot be moved directly here",
            "40752": "the user is barred from this business",
            "40753": "futures are disabled for this user",
            "40760": "the account's status is abnormal",
            "40916": "futures are restricted for this account",
            "40919": "the function is not open yet; not a word for already so",
        },
    ),
    *_group(
        CodeClass.PERMISSION,
        {"40772": "the account does not exist", "41001": "the account does not exist"},
        source=CLASSIC_2025,
    ),
    *_group(
        CodeClass.PERMISSION,
        {"40099": "the key belongs to the other environment (demo or live)"},
        source="ccxt/ccxt#25502, #25004, #26125; in no table",
    ),
    *_group(CodeClass.PERMISSION, {"40085": "a unified account, which does not answer classic paths"}, source=CHANGES),
    *_group(
        CodeClass.PERMISSION,
        {
            "22053": "margin of an airdropped position cannot be moved (unified)",
            "25245": "not a unified account (unified)",
            "40128": "the account is of another generation than the path (unified)",
        },
        source=UNIFIED,
    ),
)


def names_a_parameter(message: str) -> bool:
    """Whether the text of a two-faced code is about a parameter, and not about a failure inside a release window."""
    return _NAMES_A_PARAMETER.search(message) is not None


def parameter_face(code: str) -> str:
    """The table's name for a two-faced code whose text names a parameter."""
    return f"{code}/parameter"


REJECTED_PARAMETERS: Mapping[str, Code] = {
    parameter_face(code): Code(
        code=code, meaning="a parameter did not pass its check", proves=CodeClass.REQUEST, source=CHANGES
    )
    for code in sorted(TWO_FACED)
}
"""The other face of these codes."""
