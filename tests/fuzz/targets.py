"""Every target there is, by name."""

from collections.abc import Mapping

from tests.fuzz import answers, journals, places, plans, states
from tests.fuzz.harness import Target

TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        plans.RAW,
        plans.SEALED,
        journals.RAW,
        journals.SEALED,
        places.URLS,
        states.STATES,
        *answers.ANSWERS,
    )
}
