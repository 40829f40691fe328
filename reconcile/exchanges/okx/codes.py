"""Every OKX code we know: what it means, what it proves about a margin call, where that is from.

Nothing here is "already so": a margin call is a change, not a target. A code that is missing proves nothing. Where OKX
only says "try again" or "timed out" the row is doubt: a keyless change must never be sent twice on such words. Codes of
calls we never make (leverage, settings) are listed with their call. As the answer to a margin call they prove nothing.
"""

from collections.abc import Mapping

from reconcile.exchanges.base import Code, CodeClass

SET_LEVERAGE = "set-leverage"
SETTINGS = "settings"
GUIDE = "OKX API guide v5, Error Code"
SIMULATOR = "okx-position-simulator-go, measured on OKX demo"


def _group(
    proves: CodeClass, meanings: Mapping[str, str], *, source: str = GUIDE, call: str | None = None
) -> tuple[Code, ...]:
    return tuple(
        Code(code=code, meaning=text, proves=proves, source=source, call=call, advice=ADVICE.get(code, ""))
        for code, text in meanings.items()
    )


ADVICE: Mapping[str, str] = {
    "50051": "run reconcile where OKX serves this account",
    "50067": 'write under [account]: region = "eea" (OKX Europe) or region = "us" (OKX US)',
    "50072": "use an account in futures mode (account level 2)",
    "50101": 'a demo key needs endpoint = "testnet" under [account], a live key endpoint = "live"',
    "50119": "check the key; where the account was opened with another OKX site, write under [account]: "
    'region = "eea" (OKX Europe) or region = "us" (OKX US)',
    "50121": "run reconcile from an address that OKX serves",
    "51010": "switch the account to futures mode on OKX",
}
"""The advice for a code whose class does not say what to do."""

CODES: tuple[Code, ...] = (
    *_group(
        CodeClass.DOUBT,
        {
            "50001": "the service is unavailable for the moment; says nothing about the request",
            "50004": "the endpoint timed out; OKX itself says the outcome must be looked up",
            "50013": "the system is busy; says nothing about the request",
            "50026": "a system error; says nothing about the request",
            "50042": "a repeated request; what that means for a margin call is documented nowhere",
            "50061": "too many orders for the sub-account; not documented for a margin call, so it proves nothing here",
            "51054": "the request timed out",
            "51149": "the order timed out",
            "54012": "protective measures in a thin book; adding margin goes on, so it proves nothing here",
        },
    ),
    *_group(
        CodeClass.THROTTLE,
        {
            "50011": "the rate limit of the endpoint was reached",
            "50040": "operations follow each other too fast",
            "58102": "the rate limit of an asset endpoint was reached",
        },
    ),
    *_group(
        CodeClass.LATER,
        {
            "50017": "the position is frozen while auto-deleveraging runs",
            "50018": "the currency is frozen while auto-deleveraging runs",
            "50019": "the account is frozen while auto-deleveraging runs",
            "50020": "the position is frozen while it is liquidated",
            "50021": "the currency is frozen while a liquidation runs",
            "50022": "the account is frozen while a liquidation runs",
            "50023": "frozen while funding fees are taken",
            "50046": "the function is switched off while OKX works on it",
            "50064": "the borrowing system is down",
            "50062": "the function is not available at the moment",
            "51029": "the contract is being settled",
            "51030": "the funding fee is being settled",
            "59302": "a close order of the position is pending",
        },
    ),
    *_group(
        CodeClass.STATE,
        {
            "51023": "there is no such position",
            "51043": "there is no such isolated position",
            "59300": "there is no position to move margin of",
        },
    ),
    *_group(CodeClass.STATE, {"59000": "settings cannot change while positions or orders are open"}, call=SETTINGS),
    *_group(
        CodeClass.STATE,
        {
            "59101": "isolated orders are pending",
            "59102": "above the maximum",
            "59103": "too low for the margin there is",
            "59104": "too high for what was borrowed",
            "59105": "below the minimum",
            "59106": "more margin than the tier of the orders allows",
            "59107": "cross orders are pending",
            "59108": "too low, the account lacks margin",
            "59109": "the equity would not cover the margin",
            "59112": "orders are pending",
            "59668": "isolated trigger orders or bots are active",
            "59669": "cross trigger orders or bots are active",
            "59670": "too many open orders",
        },
        call=SET_LEVERAGE,
    ),
    *_group(CodeClass.STATE, {"59247": "the position is too large for it"}, source=SIMULATOR, call=SET_LEVERAGE),
    *_group(
        CodeClass.FUNDS,
        {
            "51008": "the account has too little of the currency",
            "51127": "the available balance is zero",
            "50069": "the margin ratio of the risk unit does not suffice",
            "51131": "the balance does not suffice",
            "59200": "the account balance does not suffice",
            "59201": "the account balance is negative",
            "59303": "the available margin does not suffice",
        },
    ),
    *_group(
        CodeClass.FUNDS,
        {"59301": "more than the most that can be moved, the removable margin among it"},
        source=SIMULATOR,
    ),
    *_group(
        CodeClass.CLOCK,
        {
            "50102": "the timestamp is more than 30 seconds from the server's",
            "50112": "the timestamp is malformed",
        },
    ),
    *_group(
        CodeClass.REQUEST,
        {
            "50000": "the body is empty",
            "50002": "the body is not JSON",
            "50005": "the endpoint is offline or gone",
            "50006": "the content type is not JSON",
            "50010": "the user id is empty",
            "50014": "a required parameter is empty",
            "50015": "one of two parameters is required",
            "50016": "two parameters do not go together",
            "50024": "two parameters exclude each other",
            "50025": "too many values in one parameter",
            "50115": "the endpoint does not take this method",
            "51000": "a parameter has a wrong value",
            "51001": "there is no such instrument",
            "51015": "the instrument is not of the stated type",
            "51150": "more decimals than the amount may have",
        },
    ),
    *_group(
        CodeClass.PERMISSION,
        {
            "50007": "the account is blocked",
            "50008": "the user does not exist",
            "50009": "the account is suspended while it is liquidated",
            "50012": "the account's status does not permit this",
            "50027": "the account is barred from trading",
            "50028": "the account cannot place orders: OKX's customer service must look at it",
            "50029": "the account is restricted by risk control",
            "50030": "the endpoint is not open to this key",
            "50032": "the account forbids this currency",
            "50033": "the account forbids this instrument",
            "50035": "the endpoint wants a key that is bound to an IP address",
            "50038": "not available in demo trading",
            "50041": "the user is not on the list of those admitted",
            "50051": "not available in this country or region",
            "50052": "this crypto may not be traded under local law",
            "50059": "steps that the local regulator requires are missing",
            "50060": "the identity was not verified",
            "50067": "the endpoint does not serve accounts of another OKX site",
            "50072": "isolated margin is no longer offered at this account level (multi-currency, portfolio)",
            "50100": "the API is frozen for this user",
            "50101": "the key belongs to the other environment (demo or live)",
            "50103": "no key was sent",
            "50104": "no passphrase was sent",
            "50105": "the passphrase is wrong",
            "50106": "no signature was sent",
            "50107": "no timestamp was sent",
            "50108": "the exchange id is not known",
            "50109": "the exchange domain is not known",
            "50110": "the key is not for this IP address",
            "50111": "the key is wrong",
            "50113": "the signature is wrong",
            "50114": "the authorization is wrong",
            "50119": "the key is not known here: often the host of another region",
            "50120": "the key lacks the permission for this call",
            "50121": "OKX does not serve this IP address",
            "51009": "OKX blocks orders of this account",
            "51010": "the account level does not permit this (level 1 has no derivatives)",
            "51024": "the trading account is blocked",
            "51155": "this contract is restricted by local rules",
            "51158": "manual transfer mode is gone; the isolated mode of the account must change",
            "51734": "not available to users of this country",
            "59113": "margin trading is not offered in this region",
            "59114": "margin trading is not offered in this region",
            "59005": "manual transfer mode: the first margin must be worth 10,000 USDT",
            "59006": "manual transfer mode is not available any more",
        },
    ),
)
