"""Graphs are rewritten where that saves something; test_runtimes compares what they compute."""

from collections import Counter

import onnxruntime
import pytest
from test_runtimes import MODELS

from ocr_runtime.reading import graphs


@pytest.fixture(scope="module")
def optimised(tmp_path_factory) -> bytes:
    """The detector as ONNX Runtime optimises it for this machine."""
    path = tmp_path_factory.mktemp("graph") / "optimised.onnx"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(MODELS["text_det"]), options)
    return path.read_bytes()


def kinds(model: bytes) -> Counter[str]:
    return Counter(node.op_type for node in graphs._message("Model").FromString(model).graph.node)


def test_the_detector_leaves_its_blocks_less_often(optimised):
    before, after = kinds(optimised), kinds(graphs.in_blocks(optimised))
    if not before["ReorderInput"]:
        pytest.skip("ONNX Runtime computes nothing in blocks on this machine")
    assert after["ReorderInput"] < before["ReorderInput"] / 1.5
    assert after["ReorderOutput"] < before["ReorderOutput"] / 1.5
    assert after["Mul"] < before["Mul"] / 1.5
    assert before["ConvTranspose"] == 2
    assert after["ConvTranspose"] == 0


def test_what_is_not_read_of_a_model_is_kept(optimised):
    once = graphs.in_blocks(optimised)
    before, after = (
        graphs._message("Model").FromString(model).graph for model in (optimised, once)
    )
    assert [tensor.raw_data for tensor in after.initializer][: len(before.initializer)] == [
        tensor.raw_data for tensor in before.initializer
    ]
    assert kinds(graphs.in_blocks(once)) == kinds(once)
