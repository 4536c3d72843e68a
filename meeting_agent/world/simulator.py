"""The simulated conference: its attendees, its meetings, their probabilities of success and what happens."""

from __future__ import annotations

import itertools
import random

from data_classes import Meeting, Person, TimeSlot
from meeting_agent.world.outcome import CHEMISTRY_SD, physics
from meeting_agent.world.people import phrases, random_person

CONFERENCES = ("sft", "traces", "evaluation")


def conference_seed(purpose: str, seed: int) -> int:
    """The simulator's seed for one of `CONFERENCES`. Two purposes never share a seed, whatever the user's seeds are."""
    return seed * len(CONFERENCES) + CONFERENCES.index(purpose)


class ConferenceSimulator:
    """A conference of `num_attendees` people.

    `seed` decides the attendees and the meetings, `physics_seed` what makes a meeting succeed. Raises ValueError for
    fewer than 2 attendees or more than there are names.
    """

    def __init__(self, num_attendees: int = 500, seed: int = 42, physics_seed: int = 0):
        names = phrases()["names"]
        limit = len(names["first"]) * len(names["last"])
        if not 2 <= num_attendees <= limit:
            raise ValueError(f"num_attendees must lie in 2..{limit}, got {num_attendees}")
        self.seed, self.physics = seed, physics(physics_seed)
        self._rng = random.Random(f"conference-{seed}")
        full_names = [f"{first} {last}" for first, last in itertools.product(names["first"], names["last"])]
        chosen = self._rng.sample(full_names, num_attendees)
        self.attendees: dict[int, Person] = {i: random_person(self._rng, i, name) for i, name in enumerate(chosen)}

    def meetings(self, count: int) -> list[Meeting]:
        """The first `count` meetings of this conference. The same seed gives the same meetings.

        Attendees meet in rounds: nobody meets twice before everybody has met once. So the first `num_attendees` / 2
        meetings are independent of each other.
        """
        rng = random.Random(f"meetings-{self.seed}")
        slots = list(TimeSlot)
        waiting: list[int] = []
        meetings: list[Meeting] = []
        while len(meetings) < count:
            if len(waiting) < 2:
                waiting = sorted(self.attendees)
                rng.shuffle(waiting)
            meetings.append(self._meeting(rng, waiting.pop(), waiting.pop(), rng.choice(slots)))
        return meetings

    def _meeting(self, rng: random.Random, id_a: int, id_b: int, slot: TimeSlot) -> Meeting:
        a, b = self.attendees[id_a], self.attendees[id_b]
        scenario_id = f"c{self.seed}-{id_a}-{id_b}-{slot.value}"
        probability = self.physics.probability(a, b, slot, rng.gauss(0.0, CHEMISTRY_SD))
        # A stream of its own, so that what happens at one meeting changes nothing about the next. It does not depend on
        # the physics: where two physics differ little in a meeting's probability, it mostly ends the same way.
        luck = random.Random(f"outcome-{self.seed}-{scenario_id}").random()
        return Meeting(
            scenario_id=scenario_id,
            person_a=a,
            person_b=b,
            time_slot=slot,
            success_probability=probability,
            reason=self.physics.deciding_factor(a, b, slot),
            succeeded=luck < probability,
        )
