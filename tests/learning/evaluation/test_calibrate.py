import numpy as np
import pytest

from learning.evaluation import calibrate


def out_of_fold(temperature, n=3_000):
    """Probabilities whose logits are `temperature` times too large."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(n, 3)) * 1.5
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([random.choice(3, p=row) for row in true])
    told = np.exp(logits * temperature)
    return (told / told.sum(axis=1, keepdims=True)).astype(np.float32), y, np.array_split(np.arange(n), 5)


def test_overconfident_probabilities_are_softened_by_as_much_as_they_exaggerate():
    probabilities, y, held = out_of_fold(2.5)
    found = calibrate.fitted(probabilities, y, held)
    assert found.temperature == pytest.approx(2.5, rel=0.1)
    assert found.log_loss_after < found.log_loss_before
    after = found.apply(probabilities)
    assert after.sum(axis=1) == pytest.approx(1)
    assert (after.argmax(axis=1) == probabilities.argmax(axis=1)).all()


def test_what_is_calibrated_stays_as_it_is():
    assert calibrate.fitted(*out_of_fold(1.0)) is None


def test_certainty_that_was_wrong_is_no_error():
    probabilities, y, held = out_of_fold(1.0, 300)
    certain = np.eye(3, dtype=np.float32)[probabilities.argmax(axis=1)]
    assert np.isfinite(calibrate.fitted(certain, y, held).log_loss_after)
