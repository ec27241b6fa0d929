"""Truth policies: what can be declared."""

import pytest

from learning.exceptions import InvalidPolicy
from learning.truth import POLICIES, Latest, Majority, Priority, restore


def test_a_policy_is_written_as_it_is_declared():
    assert str(Majority()) == "Majority()"
    assert str(Latest(quorum=2)) == "Latest(quorum=2)"
    assert str(Priority("experts", "staff", quorum=3)) == "Priority('experts', 'staff', quorum=3)"


@pytest.mark.parametrize(
    "policy", [Majority(), Majority(quorum=3), Latest(), Priority("a"), Priority("b", "a", quorum=2)]
)
def test_a_stored_policy_is_restored(policy):
    assert restore(policy.kind, list(policy.groups), policy.quorum) == policy
    assert {kind.kind for kind in POLICIES} == {"MAJORITY", "LATEST", "PRIORITY"}


@pytest.mark.parametrize("quorum", [0, -1, 1.5, True, None, "2", float("nan"), 10**9])
def test_a_quorum_is_a_number_of_people(quorum):
    for policy in (Majority, Latest, lambda quorum: Priority("experts", quorum=quorum)):
        with pytest.raises(InvalidPolicy, match="a quorum is a number of people"):
            policy(quorum=quorum)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        ((), "names no group"),
        (("experts", "experts"), "names a group twice"),
        (("",), "a group's name has 1 to 150"),
        (("x" * 151,), "a group's name has 1 to 150"),
        (("a\0",), "a group's name has 1 to 150"),
        ((5,), "a group's name has 1 to 150"),
    ],
)
def test_a_priority_names_groups(groups, reason):
    with pytest.raises(InvalidPolicy, match=reason):
        Priority(*groups)
