"""Trains the two versions of the sample model `iris` and writes them as ONNX.

Data: Fisher's iris, 150 flowers, as shipped with scikit-learn; 120 train both versions, 30 are held out.
Version 1 is a logistic regression, version 2 a small neural network on standardised inputs.
The committed files were made with Python 3.11 and

    pip install scikit-learn==1.9.1 skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
    python train.py

expected.json holds what ONNX Runtime answers for a few held-out flowers, and the accuracy on all 30.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SEED = 7
SHOWN = 6
FOLDER = Path(__file__).parent


def classifiers():
    logistic = LogisticRegression(max_iter=1000)
    network = MLPClassifier(hidden_layer_sizes=(16,), alpha=1e-3, max_iter=4000, random_state=SEED)
    return {1: logistic, 2: make_pipeline(StandardScaler(), network)}


def export(classifier, path):
    onnx = to_onnx(
        classifier,
        initial_types=[("x", FloatTensorType([None, 4]))],
        options={"zipmap": False},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    path.write_bytes(onnx.SerializeToString())


def run(path, flowers):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["label", "probabilities"], {"x": flowers})


def main():
    iris = load_iris()
    features = iris.data.astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        features, iris.target, test_size=30, random_state=SEED, stratify=iris.target
    )
    expected = {
        "input": {"name": "x", "datatype": "FP32", "shape": [SHOWN, 4], "data": test_x[:SHOWN].tolist()},
        "classes": iris.target_names.tolist(),
        "truth": test_y[:SHOWN].tolist(),
        "versions": {},
    }
    for number, classifier in classifiers().items():
        path = FOLDER / f"iris-v{number}.onnx"
        export(classifier.fit(train_x, train_y), path)
        held_out, _ = run(path, test_x)
        labels, probabilities = run(path, test_x[:SHOWN])
        expected["versions"][str(number)] = {
            "file": path.name,
            "accuracy": round(float(np.mean(held_out == test_y)), 4),
            "label": labels.tolist(),
            "probabilities": probabilities.tolist(),
        }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
