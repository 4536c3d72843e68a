"""Error patterns of a predictor: accuracy and error by group of prompts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meeting_agent.world.people import phrases

SMALLEST_GROUP = 10  # minimum number of rows in a reported group
ROLE_FAMILIES = {
    "founder": ("junior_founder", "senior_founder"),
    "engineer": ("junior_engineer", "senior_engineer"),
    "investor": ("vc_partner", "vc_analyst"),
    "business": ("sales_exec", "product_manager", "executive"),
    "researcher": ("researcher",),
}
# Attributes that a description may leave out; also their keys in the conference's vocabulary.
LEVELLED = ("energy", "engagement")


def error_patterns(
    prompts: list[str], reasons: list[str], probabilities: list[float], truth: list[float]
) -> list[dict]:
    """Accuracy and mean absolute error by role pair, by what the text leaves out, by confidence and by reason.

    `truth` holds the true probability of success of each prompt, in [0, 1]. Returns `by`, `group`, `n`, `accuracy` and
    `mae` for every group of at least ten prompts. Texts without the simulator's wording belong to no group by role
    pair or by what they leave out.
    """
    groups: dict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)
    for prompt, reason, p, t in zip(prompts, reasons, probabilities, truth, strict=True):
        for group in {*groups_of_text(prompt), ("confidence", confidence(p)), ("factor that decides", reason)}:
            if group[1]:  # the reasons of the user's own meetings are unknown
                groups[group].append(((p > 0.5) == (t > 0.5), abs(p - t)))
    return [
        {
            "by": by,
            "group": name,
            "n": len(found),
            "accuracy": sum(right for right, _ in found) / len(found),
            "mae": sum(error for _, error in found) / len(found),
        }
        for (by, name), found in sorted(groups.items())
        if len(found) >= SMALLEST_GROUP
    ]


def confidence(probability: float) -> str:
    distance = abs(probability - 0.5)
    return "within 0.1 of one half" if distance < 0.1 else "0.1 to 0.25 away" if distance < 0.25 else "further away"


def groups_of_text(prompt: str) -> Iterator[tuple[str, str]]:
    first, _, rest = prompt.partition("\nPerson B: ")
    people = (first.removeprefix("Person A: "), rest.partition("\nTime: ")[0])
    families = [role_family(said) for said in people]
    if all(families):
        yield "role pair", " and ".join(sorted(map(str, families)))
        for topic in LEVELLED:
            silent = sum(not mentions_level(said, topic) for said in people)
            if silent:
                yield "left out", f"{topic} of {'both' if silent == 2 else 'one'}"
        if not any(mentions_seeking(said) for said in people):
            yield "left out", "what both look for"


def role_family(said: str) -> str | None:
    for family, roles in ROLE_FAMILIES.items():
        if any(said.startswith(f"{words}.") for role in roles for words in phrases()["roles"][role]):
            return family
    return None


def mentions_level(said: str, topic: str) -> bool:
    return any(words in said for level in phrases()[topic]["levels"] for words in level)


def mentions_seeking(said: str) -> bool:
    return any(words in said for variants in phrases()["seeking"].values() for words in variants)
