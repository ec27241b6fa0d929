"""Hidden groups: the score is told both ways, what explains them is named, and a person decides."""

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from sklearn import datasets

from learning.analysis import Analysis, FindingKind
from learning.analysis.overview import analyse
from learning.build import _analyse, build
from learning.columns import Column, Kind
from learning.dataset import Dataset, dataset
from learning.estimators.families import Candidate
from learning.evaluation import group_effect
from learning.evaluation.group_effect import GroupEffect
from learning.evaluation.learnable import Learnable, select_learnable
from learning.evaluation.repeats import restore
from learning.problem import Classification, Problem, Regression
from learning.selection.hidden_groups import HiddenGroups, find_hidden_groups, grouping_objections
from learning.selection.steps import Decided, Step

PROBLEM = Classification()


def visits(
    count: int = 60, rows: int = 5, noise: float = 0.05, seed: int = 0, effect: float = 1.0
) -> Dataset:
    """Generate visits of people, whose label no feature tells, but for who they are."""
    random = np.random.default_rng(seed)
    person = random.permutation(np.repeat(np.arange(count), rows))
    means, ill = random.normal(size=(count, 3)), random.random(count) < 0.5
    X = means[person] + noise * random.normal(size=(len(person), 3))
    label = np.where(random.random(len(person)) < effect, ill[person], random.random(len(person)) < 0.5)
    columns = [Column(name=name, kind=Kind.NUMBER) for name in ("height", "weight", "pulse")]
    columns.append(Column(name="customer", kind=Kind.INTEGER))
    cells = [[*row, int(number)] for row, number in zip(X.tolist(), person * 7 % count, strict=True)]
    return dataset(PROBLEM, columns, cells, [("no", "yes")[int(each)] for each in label])


def hidden_groups(problem: Problem, data: Dataset) -> HiddenGroups | None:
    return find_hidden_groups(problem, select_learnable(problem, data), analyse(data, problem))


@pytest.fixture(scope="module", autouse=True)
def small_forest() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group_effect, "FOREST", Candidate("forest", {"n_estimators": 5}))
        yield


@pytest.fixture(scope="module")
def analysed(small_forest: None) -> tuple[Learnable, Analysis]:
    return _analyse(PROBLEM, select_learnable(PROBLEM, visits()))


def test_the_score_is_told_both_ways_and_the_column_that_explains_the_groups(
    analysed: tuple[Learnable, Analysis],
) -> None:
    (finding,) = (f for f in analysed[1].findings if f.kind is FindingKind.GROUPING)
    assert re.match(
        r"\d+ of 300 rows lie in [56]\d clusters of rows that are much more alike ", finding.sentence
    )
    assert "customer has the same value in most rows of a cluster." in finding.sentence
    scores = re.search(
        r"has roc_auc (\S+) for rows whose clusters .* from, and only (\S+) for", finding.sentence
    )
    assert scores is not None and float(scores[1]) > 0.95 and float(scores[2]) < 0.7
    assert "scores of this build are of clusters that were not learned from" in finding.sentence


def test_folds_keep_hidden_groups_together_and_are_restored(analysed: tuple[Learnable, Analysis]) -> None:
    learnable, analysis = analysed
    groups = learnable.dataset.groups
    assert groups is not None and 50 <= len(np.unique(groups)) <= 70
    for learn, held_out in learnable.plan.split(learnable.dataset, "contest"):
        assert not set(groups[learn]) & set(groups[held_out])
    restored = restore(learnable.plan, select_learnable(PROBLEM, visits()).dataset, analysis)
    assert restored.groups is not None and restored.groups.tolist() == groups.tolist()


def test_a_first_version_waits_and_an_accepted_finding_does_not_hold_again(
    analysed: tuple[Learnable, Analysis],
) -> None:
    analysis = analysed[1]
    (objection,) = grouping_objections(analysis, None)
    assert objection.holds_first and 'Join(group="…")' in objection.sentence
    unsuspecting = replace(analysis, findings=())
    assert [*grouping_objections(analysis, unsuspecting)] == [objection]
    assert not [*grouping_objections(analysis, analysis)]
    assert not [*grouping_objections(unsuspecting, None)]


def test_declared_groups_and_the_order_of_time_are_believed() -> None:
    data = visits(20, 4)
    assert hidden_groups(PROBLEM, data.with_groups(np.arange(80) // 4)) is None
    ordered = Classification(ordered=True, folds=3)
    assert hidden_groups(ordered, replace(data, times=np.arange(80.0))) is None


def test_groups_that_the_label_does_not_depend_on_are_no_finding() -> None:
    assert hidden_groups(PROBLEM, visits(effect=0.0)) is None


def test_groups_must_matter_beyond_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    learnable = select_learnable(PROBLEM, visits())
    analysis = analyse(learnable.dataset, PROBLEM)
    for together, expected in ((0.5, True), (0.89, False)):
        noise = np.array([0.01, -0.01] * 5)
        effect = GroupEffect(together=tuple(together + noise), apart=(0.9,) * 10, baseline=0.5, ratio=0.25)
        monkeypatch.setattr("learning.selection.hidden_groups.measure_effect", lambda *_, e=effect: e)
        assert (find_hidden_groups(PROBLEM, learnable, analysis) is not None) is expected
    wide = GroupEffect(together=(0.1, 1.2) * 5, apart=(0.9,) * 10, baseline=0.5, ratio=0.25)
    monkeypatch.setattr("learning.selection.hidden_groups.measure_effect", lambda *_: wide)
    assert find_hidden_groups(PROBLEM, learnable, analysis) is None


@pytest.mark.slow
def test_copies_with_small_changes_are_found() -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    columns = [Column(name=f"f{place}", kind=Kind.NUMBER) for place in range(X.shape[1])]
    jitter = np.random.default_rng(0).normal(size=(3 * len(X), X.shape[1])) * 0.01 * X.std(axis=0)
    rows = (np.tile(X, (3, 1)) + jitter).tolist()
    found = hidden_groups(Regression(), dataset(Regression(), columns, rows, y.tolist() * 3))
    assert found is not None
    assert np.mean(found.effect.together) < 0.5 < 0.8 < np.mean(found.effect.apart)


@pytest.mark.engine
def test_a_build_is_held_and_promises_what_happens_to_other_people() -> None:
    problem = Classification(families=("baseline", "forest"), candidates=2, pictures=0.0)
    steps: list[Step] = list(build(problem, visits()))
    (decided,) = (step for step in steps if isinstance(step, Decided))
    assert decided.holds_first and decided.hold_reason is not None
    assert "clusters of rows that are much more alike" in decided.hold_reason
