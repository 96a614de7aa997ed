"""Drives a gateway with NVIDIA's own client. Prints one line per check; exits 1 when any failed."""

import os
import sys
import traceback

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

URL = os.environ["SLUICE_URL"].split("://", 1)[1]
MODEL = os.environ["SLUICE_MODEL"]
HEADERS = {"Authorization": f"Bearer {os.environ['SLUICE_TOKEN']}"}
# The client writes encodings into the dictionary that it is given, so each call gets its own.
ADMIN = {"Authorization": f"Bearer {os.environ['SLUICE_ADMIN_TOKEN']}"}

client = triton.InferenceServerClient(url=URL, concurrency=4)
A = np.array([[1.5, 2], [3, -0.0]], dtype=np.float32)
B = np.array([[10, 20], [30, 0.0]], dtype=np.float32)
failed = []
checks = []


def check(run):
    checks.append(run)
    return run


def tensor(name, values, binary, datatype="FP32"):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def same(got, wanted):
    assert got.dtype == wanted.dtype and np.array_equal(got, wanted), f"{got} is not {wanted}"


def refused(run, status, words):
    try:
        run()
    except InferenceServerException as error:
        assert error.status() == str(status), f"status {error.status()}: {error.message()}"
        assert words in error.message(), error.message()
        return
    raise AssertionError("was not refused")


@check
def health():
    assert client.is_server_live(headers=dict(HEADERS)) and client.is_server_ready(headers=dict(HEADERS))
    assert client.is_model_ready(MODEL, headers=dict(HEADERS))
    assert client.is_model_ready(MODEL, "1", headers=dict(HEADERS))
    assert not client.is_model_ready("nothing", headers=dict(HEADERS))


@check
def metadata():
    server = client.get_server_metadata(headers=dict(HEADERS))
    assert {"binary_tensor_data", "statistics", "model_configuration"} <= set(server["extensions"]), server
    model = client.get_model_metadata(MODEL, headers=dict(HEADERS), query_params={"test_1": 1})
    assert sorted(one["name"] for one in model["inputs"]) == ["a", "b"], model


@check
def configuration():
    config = client.get_model_config(MODEL, headers=dict(HEADERS))
    assert config["name"] == MODEL and "max_batch_size" in config, config


@check
def statistics():
    def served():
        rows = client.get_inference_statistics(MODEL, headers=dict(HEADERS))["model_stats"]
        return next(row["inference_count"] for row in rows if row["version"] == "1")

    before = served()
    client.infer(MODEL, [tensor("a", A, True), tensor("b", B, True)], headers=dict(HEADERS))
    assert served() == before + len(A), (before, served())
    assert client.get_inference_statistics(headers=dict(HEADERS))["model_stats"]


@check
def repository():
    rows = client.get_model_repository_index(headers=dict(HEADERS))
    assert {"name": MODEL, "version": "1", "state": "READY", "reason": ""} in rows, rows
    client.load_model(MODEL, headers=dict(ADMIN))
    refused(lambda: client.unload_model(MODEL, headers=dict(ADMIN)), 409, "traffic")
    refused(lambda: client.unload_model(MODEL, headers=dict(HEADERS)), 403, "admin")


@check
def inference():
    for binary_in in (True, False):
        for binary_out in (True, False, None):
            outputs = binary_out if binary_out is None else [
                triton.InferRequestedOutput("sum", binary_data=binary_out),
                triton.InferRequestedOutput("difference", binary_data=not binary_out),
            ]
            result = client.infer(
                MODEL,
                [tensor("a", A, binary_in), tensor("b", B, not binary_in)],
                outputs=outputs,
                request_id="id-1",
                headers=dict(HEADERS),
            )
            assert result.get_response()["id"] == "id-1"
            same(result.as_numpy("sum"), A + B)
            same(result.as_numpy("difference"), A - B)


@check
def options():
    inputs = [tensor("a", A, True), tensor("b", B, True)]
    result = client.infer(
        MODEL, inputs, model_version="1", priority=1, timeout=5_000_000, headers=dict(HEADERS),
        query_params={"q": 1}, parameters={"mine": "x"},
    )
    same(result.as_numpy("sum"), A + B)
    assert result.get_response()["model_version"] == "1"


@check
def compression():
    large = np.arange(20_000, dtype=np.float32).reshape(-1, 2)
    for algorithm in ("gzip", "deflate"):
        result = client.infer(
            MODEL, [tensor("a", large, True), tensor("b", large, False)], headers=dict(HEADERS),
            request_compression_algorithm=algorithm, response_compression_algorithm=algorithm,
        )
        same(result.as_numpy("sum"), large + large)


@check
def concurrent():
    inputs = [tensor("a", A, True), tensor("b", B, True)]
    for answer in [client.async_infer(MODEL, inputs, headers=dict(HEADERS)) for _ in range(32)]:
        same(answer.get_result().as_numpy("sum"), A + B)


@check
def errors():
    wrong = np.zeros((1, 3), dtype=np.float32)
    good = tensor("b", B, True)
    refused(lambda: client.infer(MODEL, [good], headers=dict(HEADERS)), 400, "a")
    refused(lambda: client.infer(MODEL, [tensor("a", wrong, True), good], headers=dict(HEADERS)), 400, "a")
    refused(lambda: client.infer("nothing", [good], headers=dict(HEADERS)), 404, "nothing")
    refused(lambda: client.infer(MODEL, [good], model_version="7", headers=dict(HEADERS)), 404, "7")
    refused(lambda: client.infer(MODEL, [good]), 401, "token")
    refused(lambda: client.get_model_metadata("nothing", headers=dict(HEADERS)), 404, "nothing")


@check
def strings():
    words = np.array(["käse", "", "日本"], dtype=np.object_)
    for binary in (True, False):
        result = client.infer("words", [tensor("x", words, binary, "BYTES")], headers=dict(HEADERS))
        got = [one.decode() if isinstance(one, bytes) else one for one in result.as_numpy("y")]
        assert got == list(words), got


for run in checks:
    try:
        run()
        print(f"ok      {run.__name__}")
    except Exception:
        failed.append(run.__name__)
        print(f"FAILED  {run.__name__}")
        traceback.print_exc(limit=3, file=sys.stdout)
sys.exit(1 if failed else 0)
