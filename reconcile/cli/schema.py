"""``reconcile schema``: the JSON Schema of the state file, or of a JSON document that this program writes."""

import json

import click

from reconcile import statefile
from reconcile.cli.common import command, pass_session
from reconcile.cli.session import Invocation
from reconcile.render.schema import documents


@command("schema", formats=("text", "json"))
@click.option(
    "--of",
    type=click.Choice(["state", "include", *documents.MODELS]),
    default="state",
    show_default=True,
    help="The state file, a file that it includes, or a document that --format json writes.",
)
@pass_session
def schema(session: Invocation, of: str) -> int:
    """Print the JSON Schema of the state file.

    TOML editors check and complete state files with it; '--of' has those of the JSON documents.

    \b
    Exit codes: 0.
    Example:    reconcile schema > state.schema.json
    """
    session.check_files()
    inputs = {"state": statefile.schema, "include": statefile.include_schema}
    document = inputs[of]() if of in inputs else documents.schema(of)

    def shown() -> str:
        return json.dumps(document, indent=2) + "\n"

    return session.emit({"text": shown, "json": shown}, fits=False)
