"""A detector as OpenVINO reads it -> the same with its last layers on a quarter of the sides.

The detector ends in two transposed convolutions, each of which doubles the sides by 2 x 2 kernels
that do not overlap, and a sigmoid. OpenVINO computes both in float32, and the sigmoid of one
channel in blocks of 16 channels, 15 of them empty: a sixth of the whole run. Here these are 1 x 1
convolutions: the 16 pixels that come from one pixel are its channels until the end.

Detection of 960 x 736 on one core of an AMD EPYC took 126 ms before and 107 after, of 192 x 768 26
and 22 (medians of 10 in turns).
"""

from typing import Any

import numpy as np


def with_last_layers_small(model: Any) -> Any:
    """Rewrite a detector whose last layers are those of PP-OCR; return any other as it is.

    Args:
        model: of OpenVINO.

    Returns:
        A model of the same input and output. In float32 the output differs by rounding.
    """
    from openvino import Model  # noqa: PLC0415, only who has the extra gets here
    from openvino import opset13 as ops  # noqa: PLC0415

    end = _before(model.get_results()[0])
    names: list[str] = []
    layers: list[Any] = []
    while len(layers) < len(_LAYERS):
        layers.append(end)
        names.append(end.get_type_name())
        if names != _LAYERS[: len(names)]:
            return model
        end = _before(end)
    _, second_bias, second, _, first_bias, first = layers
    with_numbers = (first, first_bias, second, second_bias)
    if not all(map(_has_constant, with_numbers)):
        return model
    first_weights, first_bias, second_weights, second_bias = map(_constant, with_numbers)
    channels_in, channels = first_weights.shape[:2]
    one_channel = second_weights.shape[:2] == (channels, 1) and second_bias.size == 1
    if first_bias.size != channels or not (one_channel and _doubles(first) and _doubles(second)):
        return model

    def convolved(source: Any, kernels: np.ndarray, bias: np.ndarray) -> Any:
        kernels, bias = kernels[:, :, None, None], bias.reshape(1, -1, 1, 1)
        product = ops.convolution(
            source, ops.constant(np.ascontiguousarray(kernels)), [1, 1], [0, 0], [0, 0], [1, 1]
        )
        return ops.add(product, ops.constant(bias))

    # Channels after the first: row and column in its 2 x 2 pixels, channel.
    kernels = first_weights.transpose(2, 3, 1, 0).reshape(4 * channels, channels_in)
    doubled = ops.relu(convolved(first.input_value(0), kernels, np.tile(first_bias.ravel(), 4)))
    # After the second: row and column in the 4 x 4 pixels, which is what `depth_to_space` takes.
    kernels = np.zeros((2, 2, 2, 2, 2, 2, channels), np.float32)
    for row in (0, 1):
        for column in (0, 1):
            kernels[row, :, column, :, row, column] = second_weights[:, 0].transpose(1, 2, 0)
    bias = np.repeat(second_bias, 16)
    chances = ops.sigmoid(convolved(doubled, kernels.reshape(16, 4 * channels), bias))
    whole = ops.depth_to_space(chances, "depth_first", 4)
    return Model([ops.result(whole)], model.get_parameters(), model.get_friendly_name())


_TRANSPOSED = "ConvolutionBackpropData"
_LAYERS = ["Sigmoid", "Add", _TRANSPOSED, "Relu", "Add", _TRANSPOSED]
"""From the last one backwards."""


def _before(node: Any, number: int = 0) -> Any:
    """The node that gives an input of a node, other than one that does nothing."""
    source = node.input_value(number).get_node()
    while source.get_type_name() == "Identity":
        source = source.input_value(0).get_node()
    return source


def _has_constant(layer: Any) -> bool:
    """Whether the second and last input of a layer are numbers in float32."""
    numbers = _before(layer, 1)
    is_float32 = numbers.get_element_type().get_type_name() == "f32"
    is_constant = numbers.get_type_name() == "Constant"
    return is_float32 and is_constant and bool(layer.get_input_size() == 2)


def _constant(layer: Any) -> np.ndarray:
    """The weights or the bias of a layer."""
    return np.asarray(_before(layer, 1).data, np.float32)


def _doubles(layer: Any) -> bool:
    """Whether a transposed convolution doubles the sides by kernels that do not overlap."""
    given = layer.get_attributes()
    return (
        given["strides"] == [2, 2]
        and given["dilations"] == [1, 1]
        and given["pads_begin"] == given["pads_end"] == given["output_padding"] == [0, 0]
        and _constant(layer).shape[2:] == (2, 2)
    )
