"""Imports point one way, and each foreign library is known where it belongs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ["documents", "reading", "outputs", "bulk", "serving", "client"]
"""A folder may import those before it, and every folder `settings` and `errors`."""
EVERYBODY = {"settings", "errors", "__init__"}
ENTRY_POINTS = {"service", "__main__"}
FOR_CLIENTS = {"serving.endpoints", "serving.grants", "serving.requests", "serving.validation"}
"""What the command line knows of `serving`: what can be asked for, but not HTTP."""

ALONE_KNOWS = {
    "PIL": {"documents.images", "documents.colours", "documents.gif_frames"},
    "onnxruntime": {"reading.runtimes"},
    "google": {"reading.graphs"},
    "rapidocr": {
        "reading.bounded_rapidocr",
        "reading.configuration",
        "reading.engine",
        "reading.exact",
        "reading.installed_models",
        "reading.loading",
        "reading.stages",
    },
    "cv2": {
        "outputs.picture",
        "reading.bounded_rapidocr",
        "reading.detection",
        "reading.exact",
        "reading.halftone",
        "reading.ink",
        "reading.large_text",
        "reading.loading",
        "reading.orientation",
        "reading.rules",
        "reading.stages",
        "reading.words",
    },
    "pypdfium2_raw": {
        "documents.pdf_characters",
        "documents.pdf_objects",
        "documents.pdf_pages",
    },
    "pikepdf": {"outputs.pdf_overlay_child", "outputs.pdf_own_text"},
    "ocrmypdf": {"client.ocrmypdf_elements", "client.ocrmypdf_plugin"},
    "pyarrow": {"bulk.parquet", "bulk.places", "bulk.run", "bulk.target"},
    "markdown_it": {"outputs.html"},
    "ray": {"bulk.actor_pool", "bulk.cluster"},
    "python_multipart": {"serving.forms"},
    "starlette": {"serving"},
    "sqlalchemy": {
        "serving.job_database",
        "serving.job_queue",
        "serving.job_store",
        "serving.stored_files",
        "settings",
    },
    "uvicorn": {"serving.connections"},
    "h11": {"serving.connections"},
    "prometheus_client": {"serving.metrics"},
    "httpx": {"client.fetching", "client.over_http"},
    "rich": {"client.progress"},
    "psutil": {"serving.metrics"},
    "opentelemetry": {"serving.metrics", "serving.logs"},
    "bentoml": {"serving.logs", "serving.methods", "serving.metrics", "serving.service"},
}
MODULES = {
    ".".join(path.relative_to(ROOT / "ocr_runtime").with_suffix("").parts): path
    for path in (ROOT / "ocr_runtime").glob("**/*.py")
} | {"service": ROOT / "service.py"}


def imports(module: str) -> set[str]:
    """The names of what a module imports; `ocr_runtime.x` also for `from ocr_runtime import x`."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "import from ocr_runtime, not from dots"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(module: str) -> set[str]:
    """Our modules that a module imports."""
    names = {name.removeprefix("ocr_runtime.") for name in imports(module)}
    return {known for known in MODULES for name in names if f"{name}.".startswith(f"{known}.")}


def rank(module: str) -> int:
    return FOLDERS.index(module.partition(".")[0])


def test_every_module_lies_in_a_folder_of_the_plan():
    loose = {module for module in MODULES if module.partition(".")[0] not in FOLDERS}
    assert loose == EVERYBODY | ENTRY_POINTS


@pytest.mark.parametrize("module", sorted(set(MODULES) - ENTRY_POINTS))
def test_imports_point_one_way(module):
    folders = ours(module) - EVERYBODY
    if module in EVERYBODY:
        assert folders <= EVERYBODY
    else:
        assert all(rank(other) <= rank(module) for other in folders)


def test_the_command_line_knows_the_outputs_and_options_but_not_http():
    client = [module for module in MODULES if module.startswith("client.")]
    known = {other for module in client for other in ours(module) if other.startswith("serving.")}
    assert known == FOR_CLIENTS


def test_the_service_knows_nothing_of_reading_in_bulk():
    serving = [module for module in MODULES if module.startswith("serving.")]
    known = {other for module in serving for other in ours(module) if other.startswith("bulk.")}
    assert known == set()


def test_no_circle_of_modules():
    left = {module: ours(module) - {module} for module in MODULES}
    while left:
        free = {module for module, needs in left.items() if not needs & set(left)}
        assert free, f"these import one another: {sorted(left)}"
        left = {module: needs for module, needs in left.items() if module not in free}


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_known_where_it_belongs(module):
    known = {name.split(".")[0] for name in imports(module)} & set(ALONE_KNOWS)
    home = {module, module.partition(".")[0]}
    assert {library for library in known if not home & ALONE_KNOWS[library]} == set()


def test_service_is_an_entry_point_and_no_function_is_longer_than_a_screen():
    assert ours("service") == {"serving.service"}
    assert len(MODULES["service"].read_text().splitlines()) < 10
    assert len(MODULES["serving.service"].read_text().splitlines()) < 100
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno - node.lineno < 50, f"{module}: {node.name}"


def test_the_main_process_which_only_watches_the_workers_does_not_load_the_engine():
    code = "import sys, service; print(*{each.partition('.')[0] for each in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert not {"rapidocr", "onnxruntime", "openvino"} & set(ran.stdout.decode().split())
