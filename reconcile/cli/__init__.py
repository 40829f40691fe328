"""The command line: parse, make one call, print, exit. Each command is a module of its own, loaded when asked for.

To add a command, write ``reconcile/cli/<module>.py`` with a click command and give it a row in ``COMMANDS``. Nothing
but click is imported here, so that ``reconcile --help`` costs no more than click itself.
"""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from reconcile.cli.common import CONTEXT, Group
from reconcile.cli.session import Invocation

EPILOG = """\b
Exit codes:
    0  in sync, or applied and verified (plan, drift: the command worked)
    1  error: nothing could be decided
    2  only with --detailed-exitcode: changes are pending, or drifted
    3  short of the declared state: refused, blocked, held, stale, not sent
    4  refused before sending: policy, stale plan, lock, not confirmed
    5  an outcome is unknown and its address held; drift: it is unknown
   64  the command line is wrong
  130  interrupted; what was in flight is settled or journalled

\b
Examples:
  reconcile validate states/
  reconcile plan states/main.toml
  reconcile apply states/main.toml
  reconcile plan states/ --out plan.json --format markdown=plan.md
  reconcile apply plan.json --reason "weekly review"

Every option has an environment variable (RECONCILE_HOME, RECONCILE_FORMAT, RECONCILE_APPLY_LOCK_TIMEOUT, ...) except
--auto-approve, --override, --as, --all and --key-deleted: those must be typed."""

COMMANDS: dict[str, tuple[str, str]] = {
    "validate": ("validate", "Check state files; needs no network and no keys."),
    "plan": ("plan", "Read the account and show the difference; sends nothing."),
    "show": ("show", "Show a saved plan: changes, digest, expiry, next command."),
    "apply": ("apply", "Make it so: plan, ask, send each step once, verify."),
    "drift": ("drift", "Show what moved since the last apply, and why."),
    "rehearse": ("rehearse", "Say what a shock to prices would do; sends nothing."),
    "import": ("import_", "Write a state file from the live account."),
    "watch": ("watch", "Plan in a loop; tell what changed, apply it if asked."),
    "status": ("status", "Show unsettled steps and who holds the lock."),
    "doctor": ("doctor", "Check clock, network, key, modes, journal and lock."),
    "explain": ("explain", "Say what an exit code or a reason means, and what to do."),
    "resolve": ("resolve", "Record the outcome of a step that reconcile could not determine."),
    "freeze": ("freeze", "Stop sending for an account, or all: the emergency brake."),
    "unfreeze": ("freeze", "Lift a freeze; the next apply sends again."),
    "audit": ("audit", "Show who moved what, when and why; prove the journals."),
    "schema": ("schema", "Print the JSON Schema of the state file."),
    "sandbox": ("sandbox", "Run and change the simulated exchange."),
}
"""Name: (module in this package that has it under that name, its summary in ``--help``)."""


class Root(Group):
    """The program: loads its commands when asked, and turns every error into its exit code."""

    is_root = True

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, loaded; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        found = vars(import_module(f"reconcile.cli.{module}")).values()
        return next(each for each in found if isinstance(each, click.Command) and each.name == cmd_name)

    def summary(self, ctx: click.Context, name: str) -> str:  # noqa: ARG002 - click's signature
        """One line about a command, without loading it."""
        return COMMANDS[name][1]

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and exit with the code of the contract whatever happens."""
        session = Invocation()
        session.log_json = _asks_for_json(extra.get("args") or next(iter(args), None) or sys.argv[1:])
        extra.setdefault("prog_name", "reconcile")
        try:
            extra.update(standalone_mode=False, obj=session)
            code = super().main(*args, **extra)
        except BaseException as error:  # noqa: BLE001 - the one place where errors become exit codes
            from reconcile.cli.errors import report  # noqa: PLC0415 - only a failure pays for it

            code = report(error, session)
        code = code if isinstance(code, int) else 0
        session.close()
        raise SystemExit(code)


def _asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line that is not parsed yet, and may turn out to be wrong, wants a log in JSON."""
    told = [os.environ.get("RECONCILE_LOG_FORMAT", "")]
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == "--log-format":
            told.append(value if equals else "".join(words[place + 1 : place + 2]))
    return told[-1] == "json"


@click.group(cls=Root, context_settings=CONTEXT, epilog=EPILOG)
def main() -> None:
    """Margin state as code: declare it in TOML, plan, apply, never twice.

    A state file declares the margin type and the isolated margin of each futures position, by symbol and side. 'plan'
    shows the difference to the live account, 'apply' makes it so.
    """
