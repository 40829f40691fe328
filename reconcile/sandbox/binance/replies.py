"""Odd answers of Binance USD-M, beside those that any gateway can give.

Each leaves open whether the request was executed, so a fault may give any of them with or without the effect.
"""

from collections.abc import Mapping

from reconcile.sandbox.http import Answer, answer

_UNKNOWN = "Unknown error, please check your request or try again later."
REPLIES: Mapping[str, Answer] = {
    "503_unknown": answer(503, {"timestamp": 1767225602000, "path": "/fapi/v1/positionMargin", "msg": _UNKNOWN}),
    "503_unavailable": answer(503, {"msg": "Service Unavailable."}),
    "503_internal": answer(
        503, {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}
    ),
    "503_overload": answer(503, {"code": -1008, "msg": "Server is currently overloaded with other requests."}),
    "unknown_processing": answer(
        400, {"code": -1000, "msg": "An unknown error occurred while processing the request."}
    ),
    "unexpected_response": answer(400, {"code": -1006, "msg": "An unexpected response was received from the bus."}),
    "backend_timeout": answer(408, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
    "undocumented_code": answer(400, {"code": -9999, "msg": "Something new."}),
    "other_shape": answer(200, {"success": True, "result": None}),
}
