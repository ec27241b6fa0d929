"""MLflow's `models serve` of the pipeline, logged as its scikit-learn flavour: `python with_mlflow.py PORT FOLDER`."""

import os
import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    port, folder = sys.argv[1:]
    pipeline = joblib.load(os.environ["PIPELINE"])
    mlflow.sklearn.save_model(
        pipeline, folder, pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle"
    )
    serve = ["models", "serve", "-m", folder, "-p", port, "--env-manager", "local"]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *serve])
