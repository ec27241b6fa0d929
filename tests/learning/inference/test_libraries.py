"""Libraries that a process needs to serve a compiled model."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from learning.estimators.families import Candidate
from learning.problem import Classification, Clustering, Regression

from ..compiler.compiling import FAST, compiled, fit_model, mixed_data

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[3]
#: Libraries that fit models; none of them is needed to serve one.
FITTING = {"matplotlib", "onnx", "pandas", "sklearn"}
LIBRARIES = {"onnxruntime", "scipy", "treelite"}
#: Run in a process of its own: loads an artifact, predicts the rows, prints what was predicted and imported.
SERVE = """
import pickle, sys
from learning.model import loads
artifact, rows = pickle.loads(sys.stdin.buffer.read())
outputs = loads(artifact, with_estimator=False).predict(rows)
sys.stdout.buffer.write(pickle.dumps((outputs, set(sys.modules))))
"""


@pytest.mark.parametrize(
    ("problem", "candidate", "allowed"),
    [
        (Classification(), Candidate("linear", {"C": 1.0}), {"scipy"}),
        (Regression(), Candidate("linear", {"alpha": 1.0}), set()),
        (Regression(), Candidate("boosting", FAST["boosting"]), {"onnxruntime", "treelite", "scipy"}),
        (Clustering(), Candidate("kmeans", {"clusters": 3}), {"scipy"}),
    ],
    ids=["a classifier", "a regressor", "boosting", "clusters"],
)
def test_a_compiled_model_is_served_without_the_libraries_that_fitted_it(problem, candidate, allowed):
    data, rows = mixed_data(problem)
    model = compiled(fit_model(problem, candidate, data), data)
    assert model.serves_alone
    done = subprocess.run(
        [sys.executable, "-c", SERVE],
        input=pickle.dumps((model.dumps(), rows)),
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    outputs, modules = pickle.loads(done.stdout)
    assert len(outputs) == len(rows)
    assert not modules & FITTING
    assert modules & LIBRARIES <= allowed
