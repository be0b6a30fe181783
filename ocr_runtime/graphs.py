"""ONNX Runtime's optimised graph -> the same with fewer changes of layout; bytes in, bytes out.

ONNX Runtime convolves tensors in blocks of 8 or 16 channels (`com.microsoft.nchwc`), and turns them
back into planes (`ReorderOutput`) for each operator that it does not know in blocks: among them the
products of squeeze-and-excite layers, which scale each channel, and the sums behind those. Both
are computed in blocks here, with the same bits:

    - the product as a convolution of each channel with a kernel of one number, computed before;
    - a sum of tensors in blocks is that of their numbers, whatever they stand for;
    - enlarging by a whole number as `com.microsoft.nchwc.Upsample`.

The nodes: onnxruntime/core/graph/contrib_ops/nchwc_schema_defs.cc.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_LABELS = (_Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED)
_NCHWC = "com.microsoft.nchwc"
_INT, _INTS = 2, 7  # AttributeProto.AttributeType
_INT64 = 7  # TensorProto.DataType
_REPEATING = [b"nearest", b"floor", b"asymmetric"]
_BLOCK = 16
"""Channels of the largest block: a multiple of them fills each block of any machine."""

# What is read or written of ONNX's messages (onnx/onnx.proto); the rest is kept as it is.
_MESSAGES: dict[str, dict[str, tuple[int, int | str, bool]]] = {
    "Attribute": {
        "name": (1, _Field.TYPE_STRING, False),
        "i": (3, _Field.TYPE_INT64, False),
        "s": (4, _Field.TYPE_BYTES, False),
        "ints": (8, _Field.TYPE_INT64, True),
        "type": (20, _Field.TYPE_INT32, False),
    },
    "Node": {
        "input": (1, _Field.TYPE_STRING, True),
        "output": (2, _Field.TYPE_STRING, True),
        "name": (3, _Field.TYPE_STRING, False),
        "op_type": (4, _Field.TYPE_STRING, False),
        "attribute": (5, "Attribute", True),
        "domain": (7, _Field.TYPE_STRING, False),
    },
    "Tensor": {
        "dims": (1, _Field.TYPE_INT64, True),
        "data_type": (2, _Field.TYPE_INT32, False),
        "name": (8, _Field.TYPE_STRING, False),
        "raw_data": (9, _Field.TYPE_BYTES, False),
    },
    "Value": {"name": (1, _Field.TYPE_STRING, False)},
    "Graph": {
        "node": (1, "Node", True),
        "initializer": (5, "Tensor", True),
        "output": (12, "Value", True),
    },
    "Model": {"graph": (7, "Graph", False)},
}


def in_blocks(model: bytes) -> bytes:
    """Compute in blocks what need not leave them.

    Args:
        model: an ONNX file that ONNX Runtime has optimised for this machine.

    Returns:
        An ONNX file for sessions that optimise nothing, and whose batches are of one image.
    """
    parsed = _message("Model").FromString(model)
    nodes = list(_Rewrite(parsed.graph).nodes())
    kept = _needed(nodes, {value.name for value in parsed.graph.output})
    parsed.graph.ClearField("node")
    parsed.graph.node.extend(kept)
    return bytes(parsed.SerializeToString())


class _Rewrite:
    """One pass over the nodes of a graph, which stand in the order of their computation."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._numbers = {tensor.name: tensor.raw_data for tensor in graph.initializer}
        self._blocks: dict[str, str] = {}  # a tensor in planes: the same in blocks
        self._channels: dict[str, int] = {}  # how many a tensor in blocks has
        self._again: dict[str, str] = {}  # blocks made of planes that were made of these blocks
        self._scalars: set[str] = set()  # tensors in planes with one number for each channel

    def nodes(self) -> Iterator[Any]:
        """The nodes as they are, or those that do the same in blocks and make planes of it."""
        for node in self._graph.node:
            for index, name in enumerate(node.input):
                node.input[index] = self._again.get(name, name)
            if self._is_scalar(node):
                self._scalars.update(node.output)
            if node.op_type == "ReorderInput" and node.input[0] in self._blocks:
                self._again[node.output[0]] = self._blocks[node.input[0]]
                continue
            if node.op_type == "ReorderOutput":
                self._note(node)
            yield from self._in_blocks(node) or [node]

    def _note(self, reorder: Any) -> None:
        channels = _attributes(reorder)["channels"].i
        if channels % _BLOCK == 0:
            self._blocks[reorder.output[0]] = reorder.input[0]
            self._channels[reorder.input[0]] = channels

    def _is_scalar(self, node: Any) -> bool:
        if node.op_type == "ReduceMean":
            attributes = _attributes(node)
            return "axes" in attributes and list(attributes["axes"].ints) == [2, 3]
        through = ("Conv", "ReorderInput", "ReorderOutput", "Relu", "Sigmoid", "HardSigmoid")
        return node.op_type == "GlobalAveragePool" or (
            node.op_type in through and node.input[0] in self._scalars
        )

    def _in_blocks(self, node: Any) -> list[Any]:
        blocks = [self._blocks[name] for name in node.input if name in self._blocks]
        channels = {self._channels[name] for name in blocks}
        if len(channels) != 1:
            return []
        scalars = [name in self._scalars for name in node.input]
        planes, result = node.output[0], f"{node.output[0]} in blocks"
        if node.op_type == "Add" and len(blocks) == 2 and scalars[0] == scalars[1]:
            nodes = [_node("Add", "", blocks, result)]
        elif node.op_type == "Mul" and len(blocks) == 2 and scalars == [False, True]:
            nodes = self._scaled(blocks[0], blocks[1], result)
        elif node.op_type == "Resize" and (scales := self._whole_scales(node)):
            nodes = [_node("Upsample", _NCHWC, blocks[:1], result, scales=scales)]
        else:
            return []
        nodes.append(_node("ReorderOutput", _NCHWC, [result], planes, channels=channels.pop()))
        self._note(nodes[-1])
        return nodes

    def _scaled(self, blocks: str, scales: str, result: str) -> list[Any]:
        channels, kernels = self._channels[blocks], f"{result}: kernels"
        shape = self._graph.initializer.add(name=f"{kernels}: shape", dims=[4], data_type=_INT64)
        shape.raw_data = np.array([channels, 1, 1, 1], np.int64).tobytes()
        return [
            _node("Reshape", "", [scales, shape.name], kernels),
            _node("Conv", _NCHWC, [blocks, kernels], result, group=channels, kernel_shape=[1, 1]),
        ]

    def _whole_scales(self, resize: Any) -> list[int]:
        attributes = _attributes(resize)
        how = ("mode", "nearest_mode", "coordinate_transformation_mode")
        if [attributes[name].s for name in how if name in attributes] != _REPEATING:
            return []
        scales = np.frombuffer(self._numbers.get(resize.input[2], b""), np.float32)
        whole = [int(scale) for scale in scales]
        return whole if whole == scales.tolist() and whole[:2] == [1, 1] else []


def _needed(nodes: list[Any], wanted: set[str]) -> list[Any]:
    kept = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _attributes(node: Any) -> dict[str, Any]:
    return {attribute.name: attribute for attribute in node.attribute}


def _node(
    kind: str, domain: str, inputs: Iterable[str], output: str, **attributes: int | list[int]
) -> Any:
    node = _message("Node")(op_type=kind, domain=domain, name=output, input=inputs, output=[output])
    for name, value in attributes.items():
        if isinstance(value, int):
            node.attribute.add(name=name, i=value, type=_INT)
        else:
            node.attribute.add(name=name, ints=value, type=_INTS)
    return node


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"onnx.{name}"))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(name="onnx", package="onnx")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for field, (number, kind, is_list) in fields.items():
            added = described.field.add(name=field, number=number, label=_LABELS[is_list])
            if isinstance(kind, str):
                added.type, added.type_name = _Field.TYPE_MESSAGE, f".onnx.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
