"""Error patterns put each prompt where a reader would."""

from meeting_agent.world.error_patterns import error_patterns, groups_of_text

SILENT = "Person A: A serial founder. Seems lively.\nPerson B: An academic. Looks tired. Needs allies.\nTime: Day1 Noon"


def test_groups_name_roles_and_what_is_left_out():
    assert set(groups_of_text(SILENT)) == {
        ("role pair", "founder and researcher"),
        ("left out", "engagement of both"),
    }
    assert list(groups_of_text("free text of another conference")) == []


def test_accuracy_and_error_by_group():
    prompts = [SILENT] * 20
    said, truth = [0.9] * 15 + [0.45] * 5, [0.8] * 20
    found = {(e["by"], e["group"]): e for e in error_patterns(prompts, ["energy"] * 20, said, truth)}
    assert found["role pair", "founder and researcher"]["accuracy"] == 0.75
    assert found["confidence", "further away"]["n"] == 15
    assert ("confidence", "within 0.1 of one half") not in found, "groups under ten rows are left out"
