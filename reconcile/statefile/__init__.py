"""State files: TOML in, the model out, every problem of every file in one go. pydantic lives at this edge.

``files`` finds and reads the files, and ``lines`` finds the line of each key. ``scalars`` reads single values exactly;
``schema`` is the shape of a file and its JSON Schema. ``resolve`` turns one checked file into the model, and
``overrides`` reads what the command line changes. Nothing here imports what a request needs, so that checking a file
stays fast.
"""

from reconcile.statefile.files import beside, load
from reconcile.statefile.overrides import override, split_overrides
from reconcile.statefile.scalars import duration_ms
from reconcile.statefile.schema import include_schema, schema

__all__ = ["beside", "duration_ms", "include_schema", "load", "override", "schema", "split_overrides"]
