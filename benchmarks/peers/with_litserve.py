"""LitServe with batches of up to 64 that wait 5 ms: `python with_litserve.py PORT`."""

import os
import sys

import joblib
import litserve
import pandas as pd


class Pipeline(litserve.LitAPI):
    """The service."""

    def setup(self, device):
        self.pipeline = joblib.load(os.environ["PIPELINE"])

    def decode_request(self, request):
        return request

    def batch(self, inputs):
        return pd.DataFrame(inputs)

    def predict(self, frame):
        return self.pipeline.predict_proba(frame).tolist()

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return {"label": output.index(max(output)), "probabilities": output}


if __name__ == "__main__":
    api = Pipeline(max_batch_size=64, batch_timeout=0.005)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
