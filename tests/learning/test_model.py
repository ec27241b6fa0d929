"""Models: signatures, answers and artifacts."""

import pickle
import struct

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor

from learning.columns import Column, Kind
from learning.exceptions import NotAModel, NotFinite
from learning.inference.libraries import versions
from learning.model import ClassAnswer, Model, Signature, loads

from .conftest import MIXED


def test_a_signature_survives_json_and_its_digest_depends_on_every_part():
    signature = Signature(task="CLASSIFICATION", columns=MIXED, classes=("no", "yes"))
    assert Signature.from_json(signature.as_json()) == signature
    changed = (
        Signature(task="REGRESSION", columns=MIXED),
        Signature(task="CLASSIFICATION", columns=MIXED, classes=("yes", "no")),
        Signature(task="CLASSIFICATION", columns=MIXED[1:], classes=("no", "yes")),
    )
    assert len({each.digest for each in (signature, *changed)}) == 4


def test_a_class_answer_is_the_most_probable_class(tumor_steps):
    model = tumor_steps[-1].model
    (answer,) = model.predict([[20.0] * 30])
    assert isinstance(answer, ClassAnswer)
    assert answer.confidence == max(answer.probabilities)
    assert answer.label == model.signature.classes[answer.probabilities.index(answer.confidence)]
    assert sum(answer.probabilities) == pytest.approx(1)


def test_an_answer_that_is_not_finite_is_refused():
    signature = Signature(task="REGRESSION", columns=(Column(name="x", kind=Kind.NUMBER),))
    estimator = DummyRegressor(strategy="constant", constant=0.0).fit([[0.0]], [1.0])
    estimator.constant_ = np.array([[np.inf]])
    with pytest.raises(NotFinite):
        Model(signature, "baseline", {}, estimator).predict([[1.0]])


def test_bytes_of_something_else_are_no_model():
    with pytest.raises(NotAModel):
        loads(pickle.dumps("a model, honestly"))
    with pytest.raises(NotAModel):
        loads(b"")
    text = pickle.dumps("a model, honestly")
    with pytest.raises(NotAModel):
        loads(struct.pack(">Q", len(text)) + text)


def test_no_rows_get_no_answers(tumor_steps):
    assert tumor_steps[-1].model.predict([]) == []


def test_versions_name_the_libraries_of_a_pickle():
    assert set(versions()) == {"python", "scikit-learn", "numpy", "pandas", "scipy"}
