"""Makes tests/Inference/fixtures/adapter/adapter.onnx: an adapter of the shipped one's form (latents -> embedding, class_logits) small enough to check by hand.
Embedding = mean of channels 0..3 over the picture, class logits = 10 x mean of channels 4..6. A latent of 1000 or more anywhere makes the graph fail.

    python3 training/clip-fixtures/make_adapter.py tests/Inference/fixtures/adapter
"""
import pathlib
import sys

import onnx
from onnx import TensorProto, helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    constants = [helper.make_tensor(n, INT64, [1], [v]) for n, v in [("zero", 0), ("four", 4), ("seven", 7), ("one", 1)]]
    constants += [helper.make_tensor("ten", FLOAT, [], [10.0]), helper.make_tensor("limit", FLOAT, [], [1000.0])]
    nodes = [
        # The largest value divided by 1000, as an index into a list of one: out of bounds from 1000 on.
        helper.make_node("ReduceMax", ["latents"], ["max"], keepdims=0),
        helper.make_node("Div", ["max", "limit"], ["share"]),
        helper.make_node("Floor", ["share"], ["whole"]),
        helper.make_node("Relu", ["whole"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["index"], to=INT64),
        helper.make_node("Gather", ["one", "index"], ["checked"], axis=0),
        helper.make_node("Cast", ["checked"], ["factor"], to=FLOAT),
        helper.make_node("ReduceMean", ["latents"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], ["means"]),
        helper.make_node("Slice", ["means", "zero", "four", "one"], ["embedding"]),
        helper.make_node("Slice", ["means", "four", "seven", "one"], ["classes"]),
        helper.make_node("Mul", ["classes", "ten"], ["class_logits"]),
    ]
    graph = helper.make_graph(
        nodes, "adapter", [helper.make_tensor_value_info("latents", FLOAT, ["N", 8, "H", "W"])],
        [helper.make_tensor_value_info("embedding", FLOAT, ["N", 4]), helper.make_tensor_value_info("class_logits", FLOAT, ["N", 3])],
        constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, out / "adapter.onnx")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
