"""octoDNS plans a zone of N records: reads its YAML, validates, compares with what is live, renders the plan.

    python benchmarks/peers/octodns_plan.py N

What is live is in memory before the clock starts, so no provider's network or API parsing is counted. One record in
ten has another value. Prints the seconds that planning took.
"""

import logging
import sys
import tempfile
from io import StringIO
from pathlib import Path
from time import perf_counter

from octodns.provider.base import BaseProvider
from octodns.provider.plan import PlanMarkdown
from octodns.provider.yaml import YamlProvider
from octodns.record import Record
from octodns.zone import Zone

NAME = "example.com."


class Memory(BaseProvider):
    """A provider whose live records are there already."""

    SUPPORTS = {"A"}
    SUPPORTS_GEO = SUPPORTS_DYNAMIC = False

    def __init__(self, records):
        self.log = logging.getLogger("memory")
        super().__init__("memory")
        self.records = records

    def populate(self, zone, target=False, lenient=False):
        for record in self.records:
            zone.add_record(record, lenient=True)
        return True

    def _apply(self, plan):
        raise NotImplementedError


count = int(sys.argv[1])
with tempfile.TemporaryDirectory() as folder:
    names = [f"c{number:06}" for number in range(count)]
    text = "".join(f"{name}:\n  ttl: 300\n  type: A\n  value: 10.0.{i % 10 // 9}.1\n" for i, name in enumerate(names))
    (Path(folder) / f"{NAME}yaml").write_text("---\n" + text)
    live = Zone(NAME, [])
    target = Memory([Record.new(live, name, {"type": "A", "ttl": 300, "value": "10.0.0.1"}) for name in names])
    began = perf_counter()
    wanted = Zone(NAME, [])
    YamlProvider("config", folder).populate(wanted)
    plan = target.plan(wanted)
    shown = StringIO()
    PlanMarkdown("markdown").run([(target, plan)], fh=shown)
    seconds = perf_counter() - began
if len(plan.changes) != count // 10 or not shown.getvalue():
    raise SystemExit(f"planned {len(plan.changes)} changes of {count}")
print(seconds)
