"""The data sets of the examples: what is read from scikit-learn's files is what scikit-learn itself loads."""

import subprocess
import sys

import numpy as np
from sklearn import datasets

from examples import data_sets
from examples.tumor.loader import DIAGNOSES


def test_the_rows_are_those_that_scikit_learn_loads() -> None:
    tumor, wine = datasets.load_breast_cancer(), datasets.load_wine()
    for name, data in (("breast_cancer.csv", tumor), ("wine_data.csv", wine)):
        assert np.array_equal(data_sets.read(name), np.column_stack([data.data, data.target])), name
    assert list(tumor.target_names) == list(DIAGNOSES)
    diabetes = datasets.load_diabetes(scaled=False)
    assert np.array_equal(data_sets.read("diabetes_data_raw.csv.gz"), diabetes.data)
    assert np.array_equal(np.ravel(data_sets.read("diabetes_target.csv.gz")), diabetes.target)


def test_reading_does_not_import_scikit_learn() -> None:
    code = "import sys; from examples.data_sets import read; read('wine_data.csv'); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
