"""ONNX Runtime's optimised graph -> the same with fewer changes of layout; bytes in, bytes out.

ONNX Runtime convolves tensors in blocks of 8 or 16 channels (`com.microsoft.nchwc`), and turns them
back into planes (`ReorderOutput`) for each operator that it does not know in blocks: among them the
products of squeeze-and-excite layers, which scale each channel, and the sums behind those. They are
computed in blocks here, with the same bits:

    - a product as a convolution of each channel with a kernel of one number, computed before;
    - a sum as that of the numbers, wherever they lie;
    - enlarging by a whole number as `com.microsoft.nchwc.Upsample`;
    - transposed convolutions at the end as convolutions of single pixels.

Detection of 960 x 736 on one core: 190 and 196 ms, 173 and 176 with it (medians of 11, in turns).

The nodes: onnxruntime/core/graph/contrib_ops/nchwc_schema_defs.cc.
"""

import functools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_LABELS = (_Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED)
_NCHWC = "com.microsoft.nchwc"
_INT, _STRING, _INTS = 2, 3, 7  # AttributeProto.AttributeType
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
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
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._users: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        self._lanes = {  # channels of what convolutions make in blocks, with those that fill it up
            node.output[0]: self._constants[node.input[1]].dims[0]
            for node in graph.node
            if node.op_type == "Conv" and node.domain == _NCHWC and node.input[1] in self._constants
        }
        self._cut: dict[str, str] = {}  # a tensor in planes: that in blocks with more channels
        self._done: set[str] = set()  # results of nodes that need no more be computed
        self._blocks: dict[str, str] = {}  # a tensor in planes: the same in blocks
        self._channels: dict[str, int] = {}  # how many a tensor in blocks has
        self._again: dict[str, str] = {}  # blocks made of planes that were made of these blocks
        self._scalars: set[str] = set()  # tensors with one number for each channel

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
            if self._done.isdisjoint(node.output):
                yield from self._in_blocks(node) or self._enlarged(node) or [node]

    def _note(self, reorder: Any) -> None:
        channels = _attributes(reorder)["channels"].i
        if channels % _BLOCK == 0:
            self._blocks[reorder.output[0]] = reorder.input[0]
            self._channels[reorder.input[0]] = channels
        else:
            self._cut[reorder.output[0]] = reorder.input[0]

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
        shape = self._constant(f"{kernels}: shape", np.array([channels, 1, 1, 1], np.int64))
        return [
            _node("Reshape", "", [scales, shape], kernels),
            _node("Conv", _NCHWC, [blocks, kernels], result, group=channels, kernel_shape=[1, 1]),
        ]

    def _whole_scales(self, resize: Any) -> list[int]:
        attributes = _attributes(resize)
        how = ("mode", "nearest_mode", "coordinate_transformation_mode")
        if [attributes[name].s for name in how if name in attributes] != _REPEATING:
            return []
        if resize.input[2] not in self._constants:
            return []
        scales = self._numbers(resize.input[2]).tolist()
        whole = [int(scale) for scale in scales]
        return whole if whole == scales and whole[:2] == [1, 1] else []

    def _enlarged(self, node: Any) -> list[Any]:
        """Two transposed convolutions that double the sides, as at the end of a DB detector.

        Each makes four pixels of one, by a matrix for each of the four. These are channels here,
        until the last step puts all sixteen in their places.
        """
        chain = [node]
        while len(users := self._users.get(chain[-1].output[0], [])) == 1 and len(chain) < 5:
            chain += users
        kinds = [step.op_type for step in chain]
        constants = [step.input[1] for step in chain if len(step.input) == 2]
        if (
            kinds != ["ConvTranspose", "Add", "Relu", "ConvTranspose", "Add"]
            or not (_doubles(chain[0]) and _doubles(chain[3]))
            or self._cut.get(node.input[0]) not in self._lanes
            or not self._constants.keys() >= {*constants}
        ):
            return []
        first, first_bias, second, second_bias = map(self._numbers, constants)
        blocks, result = self._cut[node.input[0]], chain[-1].output[0]
        (channels, middle), outputs = first.shape[:2], second.shape[1]
        inner = np.zeros((2, 2, middle, self._lanes[blocks]), np.float32)
        inner[..., :channels] = first.transpose(2, 3, 1, 0)
        outer = np.zeros((2, 2, 2, 2, outputs, 2, 2, middle), np.float32)
        for y, x in np.ndindex(2, 2):
            outer[y, :, x, :, :, y, x] = second.transpose(2, 3, 1, 0)
        self._done.update(step.output[0] for step in chain)
        quarters, pixels, planes = (
            f"{result}: {step}" for step in ("quarters", "pixels", "planes")
        )
        return [
            self._of_pixels(blocks, inner, first_bias, quarters, activation=b"Relu"),
            self._of_pixels(quarters, outer, second_bias, pixels),
            _node("ReorderOutput", _NCHWC, [pixels], planes, channels=16 * outputs),
            _node("DepthToSpace", "", [planes], result, blocksize=4),
        ]

    def _of_pixels(
        self, blocks: str, matrix: np.ndarray, bias: np.ndarray, result: str, **attributes: bytes
    ) -> Any:
        """A convolution with 1 x 1 kernels; `bias` is repeated for each of the outputs."""
        block = math.gcd(*self._lanes.values())
        inputs = self._lanes[blocks]
        kernels = matrix.reshape(-1, block, inputs // block, block).transpose(0, 2, 3, 1)
        self._lanes[result] = outputs = matrix.size // inputs
        names = [
            self._constant(f"{result}: kernels", kernels.reshape(outputs, inputs, 1, 1)),
            self._constant(f"{result}: bias", np.tile(bias.ravel(), outputs // bias.size)),
        ]
        return _node("Conv", _NCHWC, [blocks, *names], result, kernel_shape=[1, 1], **attributes)

    def _numbers(self, name: str) -> np.ndarray:
        tensor = self._constants[name]
        return np.frombuffer(tensor.raw_data, np.float32).reshape(tensor.dims)

    def _constant(self, name: str, numbers: np.ndarray) -> str:
        kind = _INT64 if numbers.dtype == np.int64 else _FLOAT
        raw = np.ascontiguousarray(numbers).tobytes()
        self._graph.initializer.add(name=name, dims=numbers.shape, data_type=kind, raw_data=raw)
        return name


def _doubles(node: Any) -> bool:
    attributes = _attributes(node)
    return (
        all(list(attributes[name].ints) == [2, 2] for name in ("kernel_shape", "strides"))
        and not any(attributes["pads"].ints)
        and attributes["group"].i == 1
        and len(node.input) == 2
    )


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
    kind: str,
    domain: str,
    inputs: Iterable[str],
    output: str,
    **attributes: int | bytes | list[int],
) -> Any:
    node = _message("Node")(op_type=kind, domain=domain, name=output, input=inputs, output=[output])
    for name, value in attributes.items():
        if isinstance(value, int):
            node.attribute.add(name=name, i=value, type=_INT)
        elif isinstance(value, bytes):
            node.attribute.add(name=name, s=value, type=_STRING)
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
