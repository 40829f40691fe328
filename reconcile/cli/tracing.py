"""Spans of runs and steps for OpenTelemetry, where the environment asks for them (``OTEL_EXPORTER_OTLP_ENDPOINT``).

The extra ``[otel]`` is loaded only then. Nothing here delays a run: a span is made after its run has ended, and threads
of the library export it. One line tells what could not be exported. The end of the program waits for the export at most
``DRAIN_S``. The variables are the library's own (opentelemetry.io, *SDK environment variables*).
"""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reconcile import __version__
from reconcile.model.spans import RunSpan, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Either of them asks for spans."""
DRAIN_S = 5.0
"""The longest wait of the program's end for spans that are not exported yet."""
_LIBRARY = "opentelemetry"

Warn = Callable[[str], object]


def tracing(env: Mapping[str, str], warn: Warn) -> "Tracing | None":
    """The place for spans; None where the environment asks for none. Where the extra is missing, a line says so."""
    endpoint = next((env[name].strip() for name in ENDPOINTS if env.get(name, "").strip()), None)
    is_off = env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if endpoint is None or is_off or env.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - as said above

        return Tracing(OTLPSpanExporter(), warn, host=_host(endpoint))
    except ImportError as error:
        warn(
            f"OpenTelemetry: an endpoint is set, and its client is missing ({error}), so no spans are sent; install "
            "the extra [otel]: pip install '.[otel]' in reconcile's checkout, or set OTEL_SDK_DISABLED=true"
        )
    except Exception as error:  # noqa: BLE001 - a library's view of variables that an operator wrote; the run goes on
        warn(f"OpenTelemetry: no spans are sent: {type(error).__name__} in its settings; see the OTEL_ variables")
    return None


def _host(endpoint: str) -> str:
    """The host of a URL: the rest of it may hold a secret."""
    try:
        return urlsplit(endpoint).hostname or "its endpoint"
    except ValueError:
        return "its endpoint"


class Tracing:
    """Exports the spans of each run. Raises ImportError where the extra is missing."""

    def __init__(self, exporter: "SpanExporter", warn: Warn, *, host: str) -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - the extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

        self._complaints = _Complaints(lambda: warn(f"OpenTelemetry: spans could not be sent to {host}; runs go on"))
        self._warn = warn
        self._host = host
        resource = Resource.create({"service.version": __version__})
        if str(resource.attributes.get("service.name", "unknown_service")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "reconcile"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("reconcile", __version__)

    def __call__(self, ended: RunSpan) -> None:
        """Have the spans of a run exported, each run a trace of its own."""
        from opentelemetry.context import Context  # noqa: PLC0415 - the extra
        from opentelemetry.trace import set_span_in_context  # noqa: PLC0415 - as above

        root = self._begin(ended.run, Context())
        inside = set_span_in_context(root, Context())
        for step in ended.steps:
            self._end(self._begin(step, inside), step)
        self._end(root, ended.run)

    def _begin(self, span: Span, context: Any) -> Any:
        return self._tracer.start_span(
            span.name, context=context, start_time=_ns(span.began_ms), attributes=dict(span.attributes)
        )

    def _end(self, made: Any, span: Span) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 - the extra

        made.set_status(Status(StatusCode.ERROR, span.problem) if span.problem else Status(StatusCode.OK))
        made.end(end_time=_ns(span.ended_ms))

    def close(self) -> None:
        """Export what is left, for so long; a collector that does not answer holds up no end."""
        last = threading.Thread(target=self._provider.shutdown, name="otel-shutdown", daemon=True)
        last.start()
        last.join(DRAIN_S)
        if last.is_alive():
            self._warn(
                f"OpenTelemetry: {self._host} did not take all spans within {DRAIN_S:.0f} s; the rest is dropped"
            )
        self._complaints.close()


class _Complaints(logging.Handler):
    """Keeps the library's own log off stderr: the first complaint becomes one line of ours."""

    def __init__(self, tell: Callable[[], object]) -> None:
        super().__init__(logging.WARNING)
        self._tell: Callable[[], object] | None = tell
        self._log = logging.getLogger(_LIBRARY)
        self._before = self._log.propagate
        self._log.propagate = False
        self._log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - its text may hold the endpoint's secrets
        """Tell it once."""
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def close(self) -> None:
        """Leave the log as it was found."""
        self._log.removeHandler(self)
        self._log.propagate = self._before
        super().close()


def _ns(milliseconds: int) -> int:
    return milliseconds * 1_000_000
