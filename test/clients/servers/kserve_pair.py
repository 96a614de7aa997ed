"""KServe's own server with one model: the sum and the difference of two matrices. Listens at the port of the first argument."""

import sys

from kserve import InferOutput, InferResponse, Model, ModelServer


class Pair(Model):
    def __init__(self):
        super().__init__("pair")
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        a, b = (tensor.as_numpy() for tensor in payload.inputs)
        outputs = [output("sum", a + b), output("difference", a - b)]
        return InferResponse(response_id=payload.id or "1", model_name=self.name, infer_outputs=outputs)


def output(name, values):
    made = InferOutput(name=name, shape=list(values.shape), datatype="FP32")
    made.set_data_from_numpy(values, binary_data=False)
    return made


ModelServer(http_port=int(sys.argv[1]), enable_grpc=False).start([Pair()])
