"""An ONNX model as ONNX Runtime optimised it -> the same model with fewer changes of layout.

Tensors of images have the plain layout NCHW: one plane of numbers for each channel. ONNX Runtime
convolves them in a blocked layout, NCHWc: the channels are divided into blocks of 8 or 16, as many
as a vector register holds, and each pixel has the numbers of a block side by side. Its operators
for that are in the domain `com.microsoft.nchwc`; `ReorderInput` changes plain to blocked layout,
`ReorderOutput` blocked to plain.

ONNX Runtime goes back to the plain layout for each operator that it has no blocked version of.
Among them are the products of squeeze-and-excite layers, which scale each channel by a number, and
the sums that follow. Here these are computed in the blocked layout too, with the same bits:

    - a product by a number for each channel, as a depthwise convolution with 1 x 1 kernels;
    - a sum of two blocked tensors of the same channels, element by element: `Add` does not depend
      on the layout;
    - nearest-neighbour enlargement by a whole factor, as `com.microsoft.nchwc.Upsample`;
    - the two transposed convolutions at the end of the detector, as 1 x 1 convolutions.

Detection of 960 x 736 pixels on one core took 190 and 196 ms without, 173 and 176 ms with this
(medians of 11, alternating).

The operators are defined in onnxruntime/core/graph/contrib_ops/nchwc_schema_defs.cc, ONNX's
messages in onnx/onnx.proto (https://github.com/onnx/onnx).
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
_NEAREST = [b"nearest", b"floor", b"asymmetric"]
"""Attributes of a `Resize` that repeats each pixel."""

_BLOCK = 16
"""Channels of the largest block. A multiple of it has no padding, whatever the block size of the
processor; other numbers of channels are padded with zeros to full blocks."""

# The fields of ONNX's messages that are read or written here: number, type, whether repeated.
# Protobuf keeps all other fields as they are.
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
    """Compute in the blocked layout whatever need not leave it.

    Args:
        model: an ONNX file that ONNX Runtime has optimised for this processor.

    Returns:
        An ONNX file for sessions that do not optimise it again and whose batches have one image.
        Anything in the model that is not recognised stays as it is.
    """
    parsed = _message("Model").FromString(model)
    nodes = list(_Rewrite(parsed.graph).nodes())
    kept = _needed(nodes, {value.name for value in parsed.graph.output})
    parsed.graph.ClearField("node")
    parsed.graph.node.extend(kept)
    return bytes(parsed.SerializeToString())


class _Rewrite:
    """One pass over the nodes of a graph, which are sorted: each after those that it depends on.

    A node that is recognised is replaced by a blocked one and a `ReorderOutput` to the plain
    layout. If all users of the result are replaced too, nothing needs that `ReorderOutput`, and
    `_needed` drops it.
    """

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._users: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self._users.setdefault(name, []).append(node)
        # Channels of the blocked result of each convolution, padding included.
        self._padded_channels = {
            node.output[0]: self._constants[node.input[1]].dims[0]
            for node in graph.node
            if node.op_type == "Conv" and node.domain == _NCHWC and node.input[1] in self._constants
        }
        # Plain tensor -> the same tensor in the blocked layout, without and with padding.
        self._blocked: dict[str, str] = {}
        self._blocked_padded: dict[str, str] = {}
        # Blocked tensor without padding -> its number of channels.
        self._channels: dict[str, int] = {}
        # Result of a `ReorderInput` that only undoes a `ReorderOutput` -> the input of the latter.
        self._same: dict[str, str] = {}
        # Tensors with one number for each channel, such as the means of a squeeze-and-excite layer.
        self._per_channel: set[str] = set()
        # Results of nodes that others have replaced already.
        self._replaced: set[str] = set()

    def nodes(self) -> Iterator[Any]:
        """Yield the nodes of the rewritten graph, in an order in which they can be computed."""
        for node in self._graph.node:
            for index, name in enumerate(node.input):
                node.input[index] = self._same.get(name, name)
            if self._has_one_number_per_channel(node):
                self._per_channel.update(node.output)
            if node.op_type == "ReorderInput" and node.input[0] in self._blocked:
                self._same[node.output[0]] = self._blocked[node.input[0]]
                continue
            if node.op_type == "ReorderOutput":
                self._record_reorder(node)
            if self._replaced.isdisjoint(node.output):
                yield from self._in_blocks(node) or self._final_enlargement(node) or [node]

    def _record_reorder(self, reorder: Any) -> None:
        channels = _attributes(reorder)["channels"].i
        if channels % _BLOCK == 0:
            self._blocked[reorder.output[0]] = reorder.input[0]
            self._channels[reorder.input[0]] = channels
        else:
            self._blocked_padded[reorder.output[0]] = reorder.input[0]

    def _has_one_number_per_channel(self, node: Any) -> bool:
        if node.op_type == "ReduceMean":
            attributes = _attributes(node)
            return "axes" in attributes and list(attributes["axes"].ints) == [2, 3]
        keeps_size = ("Conv", "ReorderInput", "ReorderOutput", "Relu", "Sigmoid", "HardSigmoid")
        return node.op_type == "GlobalAveragePool" or (
            node.op_type in keeps_size and node.input[0] in self._per_channel
        )

    def _in_blocks(self, node: Any) -> list[Any]:
        """Return nodes that compute a node in the blocked layout; empty if that cannot be done."""
        blocked = [self._blocked[name] for name in node.input if name in self._blocked]
        channels = {self._channels[name] for name in blocked}
        if len(channels) != 1:
            return []
        per_channel = [name in self._per_channel for name in node.input]
        plain, result = node.output[0], f"{node.output[0]} in blocks"
        if node.op_type == "Add" and len(blocked) == 2 and per_channel[0] == per_channel[1]:
            nodes = [_node("Add", "", blocked, result)]
        elif node.op_type == "Mul" and len(blocked) == 2 and per_channel == [False, True]:
            nodes = self._scaled(blocked[0], blocked[1], result)
        elif node.op_type == "Resize" and (scales := self._whole_scales(node)):
            nodes = [_node("Upsample", _NCHWC, blocked[:1], result, scales=scales)]
        else:
            return []
        nodes.append(_node("ReorderOutput", _NCHWC, [result], plain, channels=channels.pop()))
        self._record_reorder(nodes[-1])
        return nodes

    def _scaled(self, blocked: str, scales: str, result: str) -> list[Any]:
        """Multiply each channel by a number: a depthwise convolution with these as kernels.

        Of one image the numbers are the kernels in the right order already; of several images
        there would be as many kernels.
        """
        channels, kernels = self._channels[blocked], f"{result}: kernels"
        shape = self._constant(f"{kernels}: shape", np.array([channels, 1, 1, 1], np.int64))
        return [
            _node("Reshape", "", [scales, shape], kernels),
            _node("Conv", _NCHWC, [blocked, kernels], result, group=channels, kernel_shape=[1, 1]),
        ]

    def _whole_scales(self, resize: Any) -> list[int]:
        """Return the factors by which a `Resize` repeats pixels; empty if it does not do that."""
        attributes = _attributes(resize)
        how = ("mode", "nearest_mode", "coordinate_transformation_mode")
        if [attributes[name].s for name in how if name in attributes] != _NEAREST:
            return []
        if len(resize.input) < 3 or resize.input[2] not in self._constants:
            return []
        scales = self._numbers(resize.input[2]).tolist()
        whole = [int(scale) for scale in scales]
        return whole if whole == scales and whole[:2] == [1, 1] else []

    def _final_enlargement(self, node: Any) -> list[Any]:
        """Replace the two transposed convolutions at the end of a DB detector.

        Each has 2 x 2 kernels and a stride of 2: it makes four pixels of one, with a matrix of its
        own for each of the four. So the first is a 1 x 1 convolution with four times its outputs as
        channels, and the second one with sixteen times its outputs, zero wherever its input is
        another of the four pixels. `DepthToSpace` then moves the sixteen to their places.
        """
        chain = [node]
        while len(users := self._users.get(chain[-1].output[0], [])) == 1 and len(chain) < 5:
            chain += users
        kinds = [step.op_type for step in chain]
        constants = [step.input[1] for step in chain if len(step.input) == 2]
        if (
            kinds != ["ConvTranspose", "Add", "Relu", "ConvTranspose", "Add"]
            or not (_doubles(chain[0]) and _doubles(chain[3]))
            or self._blocked_padded.get(node.input[0]) not in self._padded_channels
            or not self._constants.keys() >= {*constants}
        ):
            return []
        first, first_bias, second, second_bias = map(self._numbers, constants)
        blocked, result = self._blocked_padded[node.input[0]], chain[-1].output[0]
        (channels, middle), outputs = first.shape[:2], second.shape[1]
        inner = np.zeros((2, 2, middle, self._padded_channels[blocked]), np.float32)
        inner[..., :channels] = first.transpose(2, 3, 1, 0)
        outer = np.zeros((2, 2, 2, 2, outputs, 2, 2, middle), np.float32)
        for y, x in np.ndindex(2, 2):
            outer[y, :, x, :, :, y, x] = second.transpose(2, 3, 1, 0)
        self._replaced.update(step.output[0] for step in chain)
        of_4, of_16, plain = (f"{result}: {step}" for step in ("of 4", "of 16", "plain"))
        return [
            self._pointwise(blocked, inner, first_bias, of_4, activation=b"Relu"),
            self._pointwise(of_4, outer, second_bias, of_16),
            _node("ReorderOutput", _NCHWC, [of_16], plain, channels=16 * outputs),
            _node("DepthToSpace", "", [plain], result, blocksize=4),
        ]

    def _pointwise(
        self, blocked: str, matrix: np.ndarray, bias: np.ndarray, result: str, **attributes: bytes
    ) -> Any:
        """Make a blocked convolution with 1 x 1 kernels.

        Args:
            blocked: its input.
            matrix: float32, shape (..., outputs, inputs), or more axes that together are these.
            bias: float32, repeated until there is one for each output.
            result: name of its output.
            attributes: more attributes of the node.
        """
        block = math.gcd(*self._padded_channels.values())
        inputs = self._padded_channels[blocked]
        # As ONNX Runtime stores kernels of blocked convolutions: output blocks, input blocks,
        # inputs of a block, outputs of a block.
        kernels = matrix.reshape(-1, block, inputs // block, block).transpose(0, 2, 3, 1)
        self._padded_channels[result] = outputs = matrix.size // inputs
        names = [
            self._constant(f"{result}: kernels", kernels.reshape(outputs, inputs, 1, 1)),
            self._constant(f"{result}: bias", np.tile(bias.ravel(), outputs // bias.size)),
        ]
        return _node("Conv", _NCHWC, [blocked, *names], result, kernel_shape=[1, 1], **attributes)

    def _numbers(self, name: str) -> np.ndarray:
        tensor = self._constants[name]
        return np.frombuffer(tensor.raw_data, np.float32).reshape(tensor.dims)

    def _constant(self, name: str, numbers: np.ndarray) -> str:
        kind = _INT64 if numbers.dtype == np.int64 else _FLOAT
        raw = np.ascontiguousarray(numbers).tobytes()
        self._graph.initializer.add(name=name, dims=numbers.shape, data_type=kind, raw_data=raw)
        return name


def _doubles(node: Any) -> bool:
    """Tell whether a transposed convolution makes 2 x 2 pixels of each one."""
    attributes = _attributes(node)
    sizes, strides, pads = (
        list(attributes[name].ints) if name in attributes else []
        for name in ("kernel_shape", "strides", "pads")
    )
    one_group = "group" not in attributes or attributes["group"].i == 1
    return sizes == strides == [2, 2] and not any(pads) and one_group and len(node.input) == 2


def _needed(nodes: list[Any], wanted: set[str]) -> list[Any]:
    """Leave out nodes whose result nothing uses; `wanted` are the results of the graph."""
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
    """Return the class of one of ONNX's messages."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"onnx.{name}"))


@functools.cache
def _pool() -> descriptor_pool.DescriptorPool:
    """Describe ONNX's messages to protobuf, which spares the dependency on `onnx`."""
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
