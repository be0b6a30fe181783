"""Doors open downwards only: which room may import which, and who alone knows a library."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "settings": set(),
    "errors": set(),
    "schema": {"errors"},
    "forms": {"errors"},
    "decoding": {"errors"},
    "graphs": set(),
    "sessions": {"graphs", "settings", "errors"},
    "pool": {"errors"},
    "engine": {"sessions", "schema", "settings", "errors"},
    "logs": set(),
    "access": {"errors"},
    "bodies": {"errors"},
    "connections": {"errors"},
    "metrics": {"errors"},
    "http": {
        "access",
        "bodies",
        "connections",
        "errors",
        "forms",
        "logs",
        "metrics",
        "pool",
        "settings",
    },
    "docs": {"schema", "forms", "errors"},
}
ALONE_KNOWS = {
    "PIL": {"decoding"},
    "onnxruntime": {"sessions"},
    "google": {"graphs"},
    "rapidocr": {"engine"},
    "cv2": {"engine"},
    "python_multipart": {"forms"},
    "starlette": {"http", "docs", "access", "bodies", "metrics"},
    "uvicorn": {"connections"},
    "h11": {"connections"},
    "prometheus_client": {"metrics"},
    "opentelemetry": {"metrics"},
    "bentoml": {"service", "metrics"},
}


def imports(room: str) -> set[str]:
    path = ROOT / ("service.py" if room == "service" else f"ocr_runtime/{room}.py")
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            found |= {f".{node.module or alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_every_room_is_in_the_plan():
    assert {path.stem for path in ROOT.glob("ocr_runtime/*.py")} == {*MAY_IMPORT, "__init__"}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_rooms_below_it(room):
    assert {name[1:] for name in imports(room) if name.startswith(".")} <= MAY_IMPORT[room]


@pytest.mark.parametrize("room", [*MAY_IMPORT, "service"])
def test_a_library_is_known_to_its_room_alone(room):
    known = {name.split(".")[0] for name in imports(room)}
    assert {
        library for library in known & set(ALONE_KNOWS) if room not in ALONE_KNOWS[library]
    } == set()


def test_the_door_is_short_and_no_function_is_longer_than_a_screen():
    assert len((ROOT / "service.py").read_text().splitlines()) < 100
    for path in [ROOT / "service.py", *ROOT.glob("ocr_runtime/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{path.name}: {node.name}"
