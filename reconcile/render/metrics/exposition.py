"""Metrics of a watch as a Prometheus text file (format 0.0.4), for the node exporter's textfile collector.

A watch that died is noticed by the age of ``reconcile_watch_round_timestamp_seconds``.
"""

from collections.abc import Sequence

from reconcile.render.metrics.families import Labels, Sample, families
from reconcile.render.metrics.snapshot import Snapshot


def exposition(snapshot: Snapshot) -> str:
    """The whole file."""
    return "".join(_family(name, kind, text, samples) for name, kind, text, samples in families(snapshot))


def _family(name: str, kind: str, text: str, samples: Sequence[Sample]) -> str:
    """One family with its head; none at all without samples."""
    if not samples:
        return ""
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels)} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
