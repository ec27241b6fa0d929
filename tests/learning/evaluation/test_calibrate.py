"""Calibration of simulated probabilities."""

import numpy as np
import pytest

from learning.evaluation import calibrate


def out_of_fold(temperature, n=3_000):
    """Simulate probabilities whose logits are `temperature` times too large."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(n, 3)) * 1.5
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([random.choice(3, p=row) for row in true])
    exaggerated = np.exp(logits * temperature)
    return (
        (exaggerated / exaggerated.sum(axis=1, keepdims=True)).astype(np.float32),
        y,
        np.array_split(np.arange(n), 5),
    )


def test_overconfident_probabilities_are_softened_by_their_excess():
    probabilities, y, held_out = out_of_fold(2.5)
    calibration = calibrate.fit(probabilities, y, held_out).calibration
    assert calibration.temperature == pytest.approx(2.5, rel=0.1)
    assert calibration.log_loss_after < calibration.log_loss_before
    after = calibration.apply(probabilities)
    assert after.sum(axis=1) == pytest.approx(1)
    assert (after.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_calibrated_probabilities_are_left_alone():
    assert calibrate.fit(*out_of_fold(1.0)) is None


def test_wrong_certainty_is_no_error():
    probabilities, y, held_out = out_of_fold(1.0, 300)
    certain = np.eye(3, dtype=np.float32)[probabilities.argmax(axis=1)]
    assert np.isfinite(calibrate.fit(certain, y, held_out).calibration.log_loss_after)


def test_what_is_told_is_of_the_temperature_of_other_folds():
    probabilities, y, held_out = out_of_fold(2.5)
    calibration, calibrated = calibrate.fit(probabilities, y, held_out)
    told = -np.log(calibrated[np.arange(len(y)), y]).mean()
    assert told == pytest.approx(calibration.log_loss_after, abs=1e-5)
    first, others = held_out[0], np.concatenate(held_out[1:])
    alone = calibrate.fit(probabilities[others], y[others], np.array_split(np.arange(len(others)), 2))
    assert calibrated[first] == pytest.approx(alone.calibration.apply(probabilities[first]), abs=1e-3)


def test_no_label_of_a_row_helps_to_calibrate_it_in_another_partition():
    probabilities, y, held_out = out_of_fold(2.5, 200)
    twice = np.concatenate([probabilities, probabilities])
    changed = y.copy()
    changed[held_out[0]] = (y[held_out[0]] + 1) % 3
    _, one = calibrate.fit(twice, y, [*held_out, *held_out])
    _, other = calibrate.fit(twice, changed, [*held_out, *held_out])
    rows = np.concatenate([held_out[0], held_out[0] + len(y)])
    assert (one[rows] == other[rows]).all()
    assert (one != other).any()


def test_few_rows_that_are_all_right_make_nothing_certain():
    y = np.arange(90) % 3
    probabilities = np.where(np.eye(3)[y] == 1, 0.8, 0.1).astype(np.float32)
    calibrated = calibrate.fit(probabilities, y, np.array_split(np.arange(90), 5))
    assert calibrated.probabilities.max() == pytest.approx(
        1 - 1 / 74, abs=1e-3
    )  # of 72 other rows, and two more
