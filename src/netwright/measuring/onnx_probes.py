"""The synthetic layers as tiny ONNX models: measured here, or written into a script that measures another device."""

from __future__ import annotations

import base64
import inspect
import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
import onnxruntime
from onnx import TensorProto, helper

from netwright.costing.latency import ONNXRUNTIME, Sample
from netwright.costing.profiles import SCHEMA, describe_processor
from netwright.files import write_text
from netwright.graph import layers as L
from netwright.measuring import on_device as device
from netwright.measuring.probes import Padding, Probe, probes
from netwright.progress import Step
from netwright.version import VERSION

OPSET, IR = 17, 8  # that ONNX Runtime reads since 1.12
_INPUT, _OUTPUT = "x{}", "y"


class Written(NamedTuple):
    """The nodes of a layer, which read x0, x1, ... and give y, and its weights: a shape for each name."""

    nodes: list[onnx.NodeProto]
    weights: dict[str, tuple[int, ...]]
    numbers: dict[str, list[Any]]  # shapes, limits: small constants


def measure_onnx(threads: int, seconds: float, step: Step) -> tuple[tuple[Sample, ...], tuple[tuple[str, str], ...]]:
    """The samples of this machine in ONNX Runtime, and the versions that made them."""
    chosen = [(probe, layer) for probe in probes() if (layer := packed(probe)) is not None]
    layers = [layer | {"model": base64.b64decode(layer["model"])} for _, layer in chosen]
    taken = device.measure_all(layers, threads, seconds, step)
    samples = [Sample(probe.work, took) for (probe, _), took in zip(chosen, taken, strict=True) if took is not None]
    return tuple(samples), (("netwright", VERSION), ("onnxruntime", onnxruntime.__version__))


def script() -> str:
    """A Python program, in one file, that measures a device which has ONNX Runtime and NumPy, and writes its profile."""
    layers = [layer for probe in probes() if (layer := packed(probe)) is not None]
    data = base64.b85encode(zlib.compress(json.dumps(layers, separators=(",", ":")).encode(), 9)).decode()
    about = {
        "schema": SCHEMA,
        "kind": "netwright profile",
        "runtime": ONNXRUNTIME,
        "device": "cpu",
        "precision": "fp32",
        "versions": {"netwright": VERSION},
        "brought": True,
    }
    lines = [data[i : i + 120] for i in range(0, len(data), 120)]
    body = "\n".join(f"    {line!r}" for line in lines)
    end = 'if __name__ == "__main__":\n    sys.exit(main(PACKED, ABOUT, describe_processor))\n'
    parts = (inspect.getsource(device), inspect.getsource(describe_processor), f"ABOUT = {about!r}\nPACKED = (\n{body}\n)", end)
    return "\n\n".join(parts)


def write_script(path: Path) -> None:
    """Write the program, whole or not at all."""
    write_text(path, script())


def packed(probe: Probe) -> dict[str, Any] | None:
    """A layer as plain values: its work, the shapes of its inputs, its model; None for one that ONNX has no short form of."""
    written = _written(probe)
    if written is None:
        return None
    model = base64.b64encode(_model(probe, written).SerializeToString()).decode()
    return {"work": probe.work._asdict(), "inputs": [[probe.batch, *shape] for shape in probe.inputs], "model": model}


def _model(probe: Probe, written: Written) -> onnx.ModelProto:
    """The layer, and the shape of its output as the only output: nothing big need be handed over.

    Weights are one number repeated, written as such. The batch is left open, or the shape would be known beforehand.
    """
    nodes, constants = [], []
    for name, shape in written.weights.items():
        constants.append(helper.make_tensor(f"{name}_shape", TensorProto.INT64, (len(shape),), shape))
        value = helper.make_tensor("value", TensorProto.FLOAT, (1,), (0.01,))
        nodes.append(helper.make_node("ConstantOfShape", [f"{name}_shape"], [name], value=value))
    for name, numbers in written.numbers.items():
        kind = TensorProto.INT64 if isinstance(numbers[0], int) else TensorProto.FLOAT
        shape = () if name.startswith("limit") else (len(numbers),)
        constants.append(helper.make_tensor(name, kind, shape, numbers))
    nodes += [*written.nodes, helper.make_node("Shape", [_OUTPUT], ["shape"])]
    given = [
        helper.make_tensor_value_info(_INPUT.format(i), TensorProto.FLOAT, ("n", *shape)) for i, shape in enumerate(probe.inputs)
    ]
    made = [helper.make_tensor_value_info("shape", TensorProto.INT64, (len(probe.out) + 1,))]
    graph = helper.make_graph(nodes, "layer", given, made, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)


def _node(
    kind: str, reads: Sequence[str] = ("x0",), makes: str = _OUTPUT, values: dict[str, Any] | None = None
) -> onnx.NodeProto:
    return helper.make_node(kind, list(reads), [makes], name=f"{kind}_{makes}", **(values or {}))


def _written(probe: Probe) -> Written | None:
    layer = probe.layer
    if isinstance(layer, L.Conv):
        return _conv(layer)
    if isinstance(layer, L.Linear):
        weights = {"w": (layer.outputs, layer.inputs), "b": (layer.outputs,)}
        return Written([_node("Gemm", ("x0", "w", "b"), values={"transB": 1})], weights, {})
    if isinstance(layer, L.Norm):
        names = ("scale", "shift", "mean", "variance")
        return Written([_node("BatchNormalization", ("x0", *names))], dict.fromkeys(names, (layer.channels,)), {})
    if isinstance(layer, L.Activation):
        return None if probe.inplace else _activation(layer.kind)
    if isinstance(layer, (L.Pool, L.AdaptivePool)):
        return _pool(layer, probe)
    return _moving(probe)


def _conv(layer: L.Conv) -> Written:
    assert not isinstance(layer.padding, str)
    weights = {"w": (layer.outputs, layer.inputs // layer.groups, *layer.kernel), "b": (layer.outputs,)}
    values = {"group": layer.groups, "kernel_shape": layer.kernel, "strides": layer.stride, "pads": layer.padding * 2}
    return Written([_node("Conv", ("x0", "w", "b"), values=values)], weights, {})


def _activation(kind: str) -> Written | None:
    if kind == "relu6":
        return Written([_node("Clip", ("x0", "limit0", "limit6"))], {}, {"limit0": [0.0], "limit6": [6.0]})
    if kind == "silu":
        return Written([_node("Sigmoid", makes="s"), _node("Mul", ("x0", "s"))], {}, {})
    names = {"relu": "Relu", "sigmoid": "Sigmoid"}
    return Written([_node(names[kind])], {}, {}) if kind in names else None


def _pool(layer: L.Pool | L.AdaptivePool, probe: Probe) -> Written:
    if isinstance(layer, L.AdaptivePool):
        if layer.size == (1, 1):
            return Written([_node("GlobalAveragePool")], {}, {})
        sides = [max(1, side // cells) for side, cells in zip(probe.inputs[0][1:], layer.size, strict=True)]
        return Written([_node("AveragePool", values={"kernel_shape": sides, "strides": sides})], {}, {})
    values: dict[str, Any] = {"kernel_shape": layer.kernel, "strides": layer.stride, "pads": layer.padding * 2}
    if layer.kind == "max_pool":
        return Written([_node("MaxPool", values=values)], {}, {})
    return Written([_node("AveragePool", values={**values, "count_include_pad": int(layer.count_pad)})], {}, {})


def _moving(probe: Probe) -> Written | None:
    """Layers that join, scale or move maps."""
    layer, shape = probe.layer, probe.inputs[0]
    names = [_INPUT.format(i) for i in range(len(probe.inputs))]
    if isinstance(layer, (L.Add, L.Multiply)):
        return Written([_node("Add" if isinstance(layer, L.Add) else "Mul", names)], {}, {})
    if isinstance(layer, L.Concat):
        return Written([_node("Concat", names, values={"axis": 1})], {}, {})
    if isinstance(layer, L.Scale):
        if len(layer.factor) == 1:
            return Written([_node("Mul", ("x0", "limit"))], {}, {"limit": [0.5]})
        both: dict[str, tuple[int, ...]] = {"factor": (shape[0], 1, 1), "shift": (shape[0], 1, 1)}
        return Written([_node("Mul", ("x0", "factor"), "s"), _node("Add", ("s", "shift"))], both, {})
    if isinstance(layer, L.Shuffle):
        inner = [0, layer.groups, shape[0] // layer.groups, *shape[1:]]
        nodes = [_node("Reshape", ("x0", "inner"), "s"), _node("Transpose", ("s",), "t", {"perm": (0, 2, 1, 3, 4)})]
        return Written([*nodes, _node("Reshape", ("t", "outer"))], {}, {"inner": inner, "outer": [0, *shape]})
    if isinstance(layer, L.LocalNorm):
        return Written(
            [_node("LRN", values={"size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "bias": layer.k})], {}, {}
        )
    if isinstance(layer, Padding):
        return Written([_node("Pad", ("x0", "pads"))], {}, {"pads": [0, 0, 0, 0, 0, 0, 1, 1]})
    return None
