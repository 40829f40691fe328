"""Odd answers of Bitget, beside those that any gateway can give.

Each leaves open whether the request was executed, so a fault may give any of them with or without the effect.
"""

from collections.abc import Mapping

from reconcile.sandbox.http import Answer, answer


def _error(status: int, code: str, message: str) -> Answer:
    return answer(status, {"code": code, "msg": message, "requestTime": 1_767_225_600_000, "data": None})


REPLIES: Mapping[str, Answer] = {
    "timeout_40010": _error(400, "40010", "Request timed out"),
    "timeout_40910": _error(400, "40910", "Operation timed out"),
    "system_40015": _error(400, "40015", "System is abnormal, please try again later"),
    "service_40725": _error(400, "40725", "service return an error"),
    "unknown_45001": _error(400, "45001", "Unknown error"),
    "release_40808": _error(400, "40808", "Parameter verification exception"),
    "transfer_40909": _error(400, "40909", "The transfer is being processed"),
    "failed_43059": _error(400, "43059", "Request failed, please try again"),
    "undocumented_code": _error(400, "99999", "Something new"),
    "gateway_peer": answer(503, {"message": "failure to get a peer from the ring-balancer"}),
    "legacy_system": answer(200, {"code": 1, "message": "System error"}),
    "other_shape": answer(200, {"success": True, "result": None}),
}
