import numpy as np

from learning import folds


def test_each_row_is_held_out_once_and_never_learned_from_then():
    held_out = []
    for learn, test in folds.split(23, None, 5, 0, "search"):
        assert not set(learn) & set(test)
        assert len(learn) + len(test) == 23
        held_out += test.tolist()
    assert sorted(held_out) == list(range(23))


def test_classes_keep_their_share_in_each_fold():
    classes = np.array([0] * 80 + [1] * 20)
    assert [classes[test].sum() for _, test in folds.split(100, classes, 5, 0, "contest")] == [4] * 5


def test_the_rounds_and_seeds_have_folds_of_their_own():
    def first(seed, round):
        return folds.split(100, None, 5, seed, round)[0][1].tolist()

    assert first(0, "search") == first(0, "search")
    assert first(0, "search") != first(0, "contest")
    assert first(0, "search") != first(1, "search")
