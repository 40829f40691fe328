"""Every target there is, by name."""

from collections.abc import Mapping

from tests.fuzz import answers, commands, journals, places, plans, states
from tests.fuzz.harness import Target

TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        plans.RAW,
        plans.SEALED,
        journals.RAW,
        journals.SEALED,
        places.URLS,
        commands.COMMANDS,
        states.STATES,
        *answers.ANSWERS,
    )
}
