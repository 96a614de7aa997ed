"""The sum and the difference of two matrices, for MLServer."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Pair(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        a, b = (NumpyCodec.decode_input(tensor) for tensor in payload.inputs)
        outputs = [NumpyCodec.encode_output("sum", a + b), NumpyCodec.encode_output("difference", a - b)]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)
