"""Drives the stock mlflow client: log, search, register, alias, load back, wait for the check, predict."""

import json
import os
import signal
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mlflow
import numpy as np
import onnx
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from onnx import TensorProto, helper

NAME = "mlflow-doubler"


def doubler() -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubler", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def log(client: MlflowClient) -> str:
    mlflow.set_experiment("from-mlflow")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_params({"lr": 0.1, "layers": 3})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"nan": float("nan"), "accuracy": 0.9})
        mlflow.set_tag("team", "ml")
        mlflow.log_text("hello", "notes/hello world.txt")
        mlflow.onnx.log_model(doubler(), name="model", registered_model_name=NAME)
    run_id = run.info.run_id
    logged = client.get_run(run_id)
    assert logged.info.status == "FINISHED" and logged.info.run_name == "first", logged.info
    assert logged.data.params == {"lr": "0.1", "layers": "3"}, logged.data.params
    assert logged.data.metrics["loss"] == 0.2 and np.isnan(logged.data.metrics["nan"])
    assert [point.step for point in client.get_metric_history(run_id, "loss")] == [0, 1, 2, 3, 4]
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/hello world.txt") == "hello"
    assert [file.path for file in client.list_artifacts(run_id)] == ["notes"]
    return run_id


def search(client: MlflowClient, run_id: str) -> None:
    with mlflow.start_run(run_name="second"):
        mlflow.log_metric("accuracy", 0.5)
    found = mlflow.search_runs(
        experiment_names=["from-mlflow"],
        filter_string="metrics.accuracy > 0.4 AND attributes.status = 'FINISHED'",
        order_by=["metrics.accuracy DESC"],
        output_format="list",
    )
    assert [run.info.run_name for run in found] == ["first", "second"], found
    only = client.search_runs([found[0].info.experiment_id], "params.lr = '0.1' AND tags.`team` LIKE 'm%'")
    assert [run.info.run_id for run in only] == [run_id]
    try:
        client.search_runs([found[0].info.experiment_id], "metrics.a = '1'; DROP TABLE runs")
        raise AssertionError("an attack passed")
    except MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE", error


def system_metrics(client: MlflowClient) -> None:
    mlflow.set_system_metrics_sampling_interval(0.1)
    mlflow.set_system_metrics_samples_before_logging(1)
    with mlflow.start_run(log_system_metrics=True) as run:
        until = time.monotonic() + 30
        key = "system/cpu_utilization_percentage"
        while len(client.get_metric_history(run.info.run_id, key)) < 2:
            assert time.monotonic() < until, client.get_run(run.info.run_id).data.metrics
            time.sleep(0.1)
    measured = [name for name in client.get_run(run.info.run_id).data.metrics if name.startswith("system/")]
    assert "system/system_memory_usage_megabytes" in measured, measured


def registry(client: MlflowClient, run_id: str) -> None:
    version = client.get_model_version(NAME, "1")
    assert version.status == "READY" and version.run_id == run_id, version
    client.set_registered_model_alias(NAME, "champion", "1")
    client.set_registered_model_tag(NAME, "owner", "ada")
    client.set_model_version_tag(NAME, "1", "note", "good")
    assert client.get_model_version_by_alias(NAME, "champion").version == "1"
    assert client.get_registered_model(NAME).aliases == {"champion": "1"}
    assert NAME in [model.name for model in client.search_registered_models()]
    assert [found.version for found in client.search_model_versions(f"name = '{NAME}'")] == ["1"]
    client.transition_model_version_stage(NAME, "1", "Production")
    assert client.get_latest_versions(NAME, ["Production"])[0].version == "1"
    for uri in (f"models:/{NAME}@champion", f"models:/{NAME}/1", f"runs:/{run_id}/model"):
        assert onnx_equal(mlflow.onnx.load_model(uri)), uri
    for source in ("file:///etc/passwd", "/etc", "http://127.0.0.1/x", "s3://bucket/x"):
        try:
            client.create_model_version(NAME, source)
            raise AssertionError(f"{source} was taken")
        except MlflowException as error:
            assert error.error_code == "INVALID_PARAMETER_VALUE", error


def onnx_equal(model: onnx.ModelProto) -> bool:
    return model.graph == doubler().graph


def other_flavours(client: MlflowClient) -> None:
    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: list[str]) -> list[str]:
            return model_input

    with mlflow.start_run():
        mlflow.pyfunc.log_model(name="echo", python_model=Echo(), registered_model_name="mlflow-echo")
    tags = client.get_model_version("mlflow-echo", "1").tags
    assert tags["sluice.status"] == "FAILED" and "python_function" in tags["sluice.status_reason"], tags
    assert mlflow.pyfunc.load_model("models:/mlflow-echo/1").predict(["hi"]) == ["hi"]


def sluice(client: MlflowClient) -> None:
    """A version that was uploaded to Sluice itself."""
    name = os.environ["SLUICE_MODEL"]
    client.set_registered_model_alias(name, "of-mlflow", "1")
    assert mlflow.onnx.load_model(f"models:/{name}@of-mlflow").graph.node


def call(method: str, path: str, body: object, headers: dict[str, str]) -> dict:
    request = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + path, method=method)
    for key, value in headers.items():
        request.add_header(key, value)
    request.add_header("authorization", "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"])
    data = None if body is None else json.dumps(body).encode()
    if data is not None:
        request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, data=data) as answer:
        shown = {"etag": answer.headers["etag"], "served": answer.headers["x-sluice-version"]}
        return {**shown, **json.loads(answer.read())}


def wait_until_ready(client: MlflowClient, version: str) -> None:
    until = time.monotonic() + 60
    while client.get_model_version(NAME, version).tags["sluice.status"] != "READY":
        assert time.monotonic() < until, client.get_model_version(NAME, version).tags
        time.sleep(0.2)


def release(client: MlflowClient, run_id: str) -> None:
    wait_until_ready(client, "1")
    until = time.monotonic() + 60
    endpoint = call("GET", f"/api/v1/endpoints/{NAME}", None, {})
    split = {"split": [{"version": "production", "weight": 1}]}
    call("PUT", f"/api/v1/endpoints/{NAME}/traffic", split, {"if-match": f'"{endpoint["revision"]}"'})
    inputs = [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]
    while True:
        try:
            answer = call("POST", f"/v2/models/{NAME}/infer", {"inputs": inputs}, {})
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.2)
    assert answer["outputs"][0]["data"] == [2, 4] and answer["served"] == "1", answer
    # The next version is released by its stage, which the endpoint follows.
    second = mlflow.register_model(f"runs:/{run_id}/model", NAME)
    assert second.version == "2", second
    wait_until_ready(client, "2")
    client.transition_model_version_stage(NAME, "2", "Production", archive_existing_versions=True)
    assert client.get_model_version(NAME, "1").current_stage == "Archived"
    assert client.get_model_version_by_alias(NAME, "production").version == "2"
    assert onnx_equal(mlflow.onnx.load_model(f"models:/{NAME}/Production"))
    while call("POST", f"/v2/models/{NAME}/infer", {"inputs": inputs}, {})["served"] != "2":
        assert time.monotonic() < until
        time.sleep(0.2)


def lost_answers() -> None:
    """Every creation's first two answers are lost on the way; each must have happened once."""
    direct = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(os.environ["SLUICE_LOSSY_URL"])
    lossy = MlflowClient()
    experiment = lossy.create_experiment("over a bad line")
    mlflow.set_experiment("over a bad line")
    lossy.create_registered_model("over-a-bad-line")
    with mlflow.start_run(run_name="bad line") as run:
        mlflow.onnx.log_model(doubler(), name="model")
    lossy.create_model_version("over-a-bad-line", f"runs:/{run.info.run_id}/model", run.info.run_id)
    mlflow.set_tracking_uri(direct)
    client = MlflowClient()
    assert [one.info.run_id for one in client.search_runs([experiment])] == [run.info.run_id]
    versions = client.search_model_versions("name = 'over-a-bad-line'")
    assert [version.version for version in versions] == ["1"], versions
    assert len(client.search_logged_models([experiment])) == 1


def meant_twice(client: MlflowClient, run_id: str) -> None:
    """What is equal and was asked for on purpose happens each time."""
    made = [mlflow.register_model(f"runs:/{run_id}/model", "registered-twice").version for _ in range(2)]
    assert made == ["1", "2"], made
    experiment = client.create_experiment("started at once")
    try:
        client.create_experiment("started at once")
        raise AssertionError("a name was given twice")
    except MlflowException as error:
        assert error.error_code == "RESOURCE_ALREADY_EXISTS", error
    now = int(time.time() * 1000)
    with ThreadPoolExecutor(32) as threads:
        runs = list(threads.map(lambda _: client.create_run(experiment, start_time=now), range(32)))
    assert len({run.info.run_id for run in runs}) == 32


def last_refusal(lines: list[str], scope: dict[str, Any]) -> str:
    if "answer" in scope:
        return scope["answer"].text
    call = lines[3].removeprefix("while not ").split(").ok", 1)[0] + ")"
    return eval(call, scope).text


def readme() -> None:
    """README's five lines, as they stand there."""
    with open(os.environ["SLUICE_README"]) as file:
        section = file.read().split("## From MLflow to production in five lines")[1].split("\n## ")[0]
    lines = section.split("```python\n")[1].split("```")[0].strip().splitlines()
    assert len(lines) == 5, lines
    folder = os.getcwd()
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        onnx.save(doubler(), "model.onnx")
        scope: dict[str, Any] = {}
        # The lines wait for as long as it takes; a check does not.
        signal.signal(signal.SIGALRM, lambda *_: sys.exit(f"README's lines wait: {last_refusal(lines, scope)}"))
        signal.alarm(40)
        exec("\n".join(lines), scope)
        signal.alarm(0)
        os.chdir(folder)
    assert scope["answer"].json()["outputs"][0]["data"] == [2, 4], scope["answer"].text


def in_parts(client: MlflowClient) -> None:
    """Large files go up in parts when the client is told so; each is asked to be one of many here."""
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = "1"
    os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(5 * 2**20)
    content = os.urandom(12 * 2**20)
    with tempfile.TemporaryDirectory() as work, mlflow.start_run() as run:
        path = os.path.join(work, "large.bin")
        with open(path, "wb") as file:
            file.write(content)
        mlflow.log_artifact(path, "sub dir")
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "false"
    loaded = client.download_artifacts(run.info.run_id, "sub dir/large.bin")
    with open(loaded, "rb") as file:
        assert file.read() == content


def data_and_models(client: MlflowClient) -> None:
    dataset = mlflow.data.from_numpy(np.array([[1.0, 2.0]]), name="pairs")
    with mlflow.start_run(run_name="parent") as parent:
        mlflow.log_input(dataset, context="training")
        model = mlflow.initialize_logged_model(name="measured")
        mlflow.log_metric("accuracy", 0.7, step=3, model_id=model.model_id, dataset=dataset)
        with mlflow.start_run(nested=True) as child:
            pass
    logged = client.get_run(parent.info.run_id)
    assert [one.dataset.name for one in logged.inputs.dataset_inputs] == ["pairs"], logged.inputs
    measured = mlflow.get_logged_model(model.model_id).metrics
    assert [(metric.value, metric.dataset_name) for metric in measured] == [(0.7, "pairs")], measured
    found = client.search_runs([logged.info.experiment_id], "datasets.name = 'pairs'")
    assert [run.info.run_id for run in found] == [parent.info.run_id]
    nested = client.search_runs(
        [logged.info.experiment_id], f"tags.mlflow.parentRunId = '{parent.info.run_id}'"
    )
    assert [run.info.run_id for run in nested] == [child.info.run_id]


def main() -> None:
    client = MlflowClient()
    readme()
    print("README's five lines: ok")
    run_id = log(client)
    print("log: ok")
    search(client, run_id)
    print("search: ok")
    in_parts(client)
    print("files in parts: ok")
    data_and_models(client)
    print("datasets, metrics of models, nested runs: ok")
    system_metrics(client)
    print("system metrics: ok")
    registry(client, run_id)
    print("registry, aliases, load back: ok")
    other_flavours(client)
    print("other flavours: ok")
    sluice(client)
    print("a version of Sluice's own: ok")
    release(client, run_id)
    print("release by alias and stage, predict: ok")
    lost_answers()
    print("lost answers: ok")
    meant_twice(client, run_id)
    print("equal calls that are meant: ok")


main()
