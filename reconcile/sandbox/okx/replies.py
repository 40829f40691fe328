"""Odd answers of OKX, beside those that any gateway can give.

Each leaves open whether the request was executed, so a fault may give any of them with or without the effect.
"""

from collections.abc import Mapping

from reconcile.sandbox.http import Answer, answer


def _refusal(status: int, code: str, message: str) -> Answer:
    return answer(status, {"code": code, "msg": message, "data": []})


REPLIES: Mapping[str, Answer] = {
    "timeout_50004": _refusal(400, "50004", "API endpoint request timeout (does not mean that the request was failed)"),
    "unavailable_50001": _refusal(503, "50001", "Service temporarily unavailable. Try again later"),
    "busy_50013": _refusal(429, "50013", "Systems are busy. Please try again later."),
    "system_50026": _refusal(500, "50026", "System error. Try again later"),
    "timeout_51054": _refusal(500, "51054", "Request timed out. Please try again."),
    "timeout_51149": _refusal(500, "51149", "Order timed out. Please try again later."),
    "repeated_50042": _refusal(200, "50042", "Repeated request"),
    "empty_data": answer(200, {"code": "0", "msg": "", "data": []}),
    "all_failed": answer(200, {"code": "1", "msg": "Operation failed.", "data": []}),
    "undocumented_code": _refusal(200, "99999", "Something new"),
    "bare_429": Answer(status=429, headers={"content-type": "text/plain"}, body=b"Too Many Requests"),
    "other_shape": answer(200, {"success": True, "result": None}),
}
