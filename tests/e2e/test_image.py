"""The images, in containers run as a careful operator runs them. `scripts/image` builds them."""

import base64
import contextlib
import io
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import requests
import yaml
from conftest import DATA, TRUTH, encoded, page_bytes
from PIL import Image
from rapidocr.main import root_dir
from serving import ROOT, free_port

from ocr_runtime import __version__

IMAGE = os.environ["IMAGE"]
HARDENED = [
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "all"),
    *("--security-opt", "no-new-privileges", "--memory", "2500m", "--cpus", "1"),
]
READ_A_PAGE = """
import base64, json, sys, urllib.request
body = json.dumps({"image_data": base64.b64encode(sys.stdin.buffer.read()).decode()}).encode()
request = urllib.request.Request(
    "http://127.0.0.1:3000/ocr", body, {"Content-Type": "application/json"}
)
print(urllib.request.urlopen(request).read().decode())
"""
MAKE_A_PDF_SEARCHABLE = """
import base64, sys, urllib.request
headers = {"Content-Type": "application/pdf"}
body = sys.stdin.buffer.read()
request = urllib.request.Request("http://127.0.0.1:3000/pdf?text_layer=never", body, headers)
print(base64.b64encode(urllib.request.urlopen(request).read()).decode())
"""
IS_READY = """
import urllib.request
urllib.request.urlopen("http://127.0.0.1:3000/readyz")
"""


def printed(*command: str, data: bytes = b"") -> str:
    ended = subprocess.run(command, input=data, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode().strip()


def succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Container:
    """A running container of `engine`, podman or docker."""

    def __init__(self, engine: str, name: str, url: str | None = None) -> None:
        self.engine = engine
        self.name = name
        self.url = url

    def inside(self, *command: str, data: bytes = b"") -> str:
        return printed(self.engine, "exec", "--interactive", self.name, *command, data=data)

    def inspect(self) -> dict[str, Any]:
        return json.loads(printed(self.engine, "inspect", self.name))[0]

    def log(self) -> str:
        """What it wrote to standard output."""
        return printed(self.engine, "logs", self.name)

    def read(self, image: bytes) -> list[dict[str, Any]]:
        """Read an image from inside: works without a network too."""
        return list(json.loads(self.inside("python3", "-c", READ_A_PAGE, data=image)).values())

    def texts(self, page: str) -> list[str]:
        return [entry["rec_txt"] for entry in self.read(page_bytes(page))]

    def wait_until(self, well: Callable[[], bool]) -> None:
        for _ in range(300):
            if well():
                return
            if not self.inspect()["State"]["Running"]:
                break
            time.sleep(0.2)
        subprocess.run([self.engine, "logs", self.name], check=False)  # shown by pytest
        raise AssertionError(self.inspect()["State"])

    def wait_until_ready(self) -> None:
        self.wait_until(lambda: succeeds(self.engine, "exec", self.name, "python3", "-c", IS_READY))

    def remove(self) -> None:
        printed(self.engine, "rm", "--force", self.name)


@contextlib.contextmanager
def container(
    *flags: str, engine: str = "podman", image: str = IMAGE, published: bool = False
) -> Iterator[Container]:
    port = free_port()
    network = ["--publish", f"127.0.0.1:{port}:3000"] if published else ["--network", "none"]
    name = printed(engine, "run", "--detach", *HARDENED, *network, *flags, image)
    running = Container(engine, name, f"http://127.0.0.1:{port}")
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.remove()


@pytest.fixture(scope="module")
def plain() -> Iterator[Container]:
    """As hardened as can be, and without a network."""
    with container("--env", "OCR_LOG_FORMAT=json", "--env", "TZ=Asia/Shanghai") as running:
        yield running


def test_it_reads_a_page_without_a_network(plain):
    assert plain.texts("table.png") == TRUTH["table.png"]


def assert_it_is_confined(running: Container) -> None:
    """Its user is a number other than root's, has no powers, and owns /tmp and /jobs alone."""
    assert running.inspect()["Config"]["User"] == "1034:1034"
    assert running.inside("id", "-u") == "1034"
    status = running.inside("cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert re.search(r"^\S+ / \S+ ro,", running.inside("cat", "/proc/mounts"), re.MULTILINE)
    written = running.inside("sh", "-c", "find / -user 1034 ! -path '/proc*' 2>/dev/null; true")
    assert {path.split("/")[1] for path in written.split()} - {"dev"} == {"jobs", "tmp"}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_it_reads_each_format(kind, plain):
    """With what the Dockerfile left of the libraries."""
    page = Image.open(DATA / "table.png").convert("RGB")
    read = plain.read(encoded(page, kind, quality=100))
    assert [entry["rec_txt"] for entry in read] == TRUTH["table.png"]


def test_it_makes_a_pdf_searchable(plain):
    scan = encoded(Image.open(DATA / "line.png").convert("RGB"), "PDF")
    answer = plain.inside("python3", "-c", MAKE_A_PDF_SEARCHABLE, data=scan)
    with pikepdf.open(io.BytesIO(base64.b64decode(answer))) as document:
        assert b"BT /OCR0 " in document.pages[0].Contents[0].read_bytes()


@pytest.mark.parametrize("module", ["pypdfium2_raw/__init__", "pikepdf/__init__"])
def test_what_the_processes_for_pdfs_import_is_compiled(module, plain):
    name = module.replace("/", "/__pycache__/") + ".*.pyc"
    assert plain.inside("find", "/opt/venv", "-path", f"*/site-packages/{name}")


def test_it_is_confined(plain):
    assert_it_is_confined(plain)


def test_the_quota_decides_the_threads(plain):
    count = "from ocr_runtime.settings import Settings as S; print(S().threads_per_worker)"
    assert plain.inside("sh", "-c", f"cd /bento/src && python3 -c '{count}'") == "1"


def test_its_log_is_json_in_the_local_time(plain):
    plain.texts("line.png")
    lines = [json.loads(line) for line in plain.log().splitlines()]
    assert all(line["time"].endswith("+08:00") for line in lines)
    assert (lines[-1]["path"], lines[-1]["status"]) == ("/ocr", 200)


def test_its_memory_limit_is_kept_under_load(plain):
    """With the shapes that take the most of it among the others."""
    largest_to_detect = encoded(Image.new("L", (60, 1300), 255))
    with ThreadPoolExecutor(4) as callers:
        blank = callers.map(plain.read, [largest_to_detect] * 2)
        read = list(callers.map(plain.texts, [*TRUTH, *TRUTH]))
        assert list(blank) == [[], []]
    assert read == read[: len(TRUTH)] * 2
    assert read[list(TRUTH).index("table.png")] == TRUTH["table.png"]
    about = plain.inspect()
    assert about["State"]["Running"]
    assert not about["State"]["OOMKilled"]
    assert about["HostConfig"]["Memory"] == 2500 << 20


def left_by_builders(image: str) -> list[str]:
    """Compilers, and what package managers keep for another time."""
    look = r"""
        for tool in gcc cc make git; do command -v $tool; done
        find / -xdev -type f \( -name '*.deb' -o -path '*/.cache/*' \
            -o -path '/var/cache/apt/*.bin' -o -path '/var/lib/apt/lists/*_*' \)"""
    root = ("--user", "0", "--network", "none", "--entrypoint", "sh")
    return printed("podman", "run", "--rm", *root, image, "-c", look).splitlines()


def test_nothing_that_builds_is_inside(plain):
    assert not left_by_builders(IMAGE)
    assert "pip" not in plain.inside("ls", "/opt/venv/bin").split()


def test_a_request_in_flight_is_finished_when_it_is_stopped():
    with container(published=True) as running, ThreadPoolExecutor(1) as caller:
        page = {"image_file": page_bytes("table.png")}
        answer = caller.submit(requests.post, f"{running.url}/ocr", files=page, timeout=60)
        in_flight = re.compile(r"^rapidocr_in_flight(\{.*\})? 1\.0$", re.MULTILINE)
        running.wait_until(lambda: in_flight.search(requests.get(f"{running.url}/metrics").text))
        printed("podman", "stop", "--time", "20", running.name)
        assert running.inspect()["State"]["ExitCode"] == 0
    lines = answer.result().json().values()
    assert [entry["rec_txt"] for entry in lines] == TRUTH["table.png"]


def test_a_wrong_setting_ends_it_with_one_line():
    command = ["podman", "run", "--rm", *HARDENED, "--env", "OCR_THREADS=0", IMAGE]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode not in (0, 125, 126, 127)
    lines = (ended.stdout + ended.stderr).decode().strip().splitlines()
    (line,) = [line for line in lines if "OCR_THREADS" in line]
    assert line == lines[-1]


def test_a_configuration_and_models_can_be_mounted(tmp_path):
    (command,) = re.findall(r"rapidocr -c '(cat .*?)'", (ROOT / "docs/operation.md").read_text())
    stock = printed("podman", "run", "--rm", "--entrypoint", "sh", IMAGE, "-c", command)
    assert "use_det: true" in stock
    config = tmp_path / "config.yaml"
    config.write_text(stock.replace("use_det: true", "use_det: false"))
    (model,) = (root_dir / "models").glob("*_rec_small.onnx")
    flags = (
        f"--volume {config}:/config.yaml:ro --env OCR_CONFIG=/config.yaml "
        f"--volume {model}:/rec.onnx:ro --env rec_model_path=/rec.onnx"
    )
    with container(*flags.split()) as running:
        (line,) = running.read(page_bytes("line.png"))
        assert "dt_boxes" not in line


def test_its_health_check_says_whether_it_answers():
    stop_the_worker = """
        for process in /proc/[0-9]*; do
            grep -q '[w]orker.service' $process/cmdline && kill -STOP ${process#/proc/}
        done; true"""
    with container() as running:
        assert succeeds("podman", "healthcheck", "run", running.name)
        running.inside("sh", "-c", stop_the_worker)
        assert not succeeds("podman", "healthcheck", "run", running.name)


@pytest.fixture(scope="module")
def docker(tmp_path_factory) -> Iterator[None]:
    """Docker's daemon, with the images that `scripts/image` had it build."""
    with (tmp_path_factory.mktemp("docker") / "log").open("w") as log:
        daemon = subprocess.Popen(shlex.split(os.environ["DAEMON"]), stderr=log)
    try:
        while not succeeds("docker", "version"):
            assert daemon.poll() is None
            time.sleep(0.2)
        yield
    finally:
        daemon.terminate()
        daemon.wait()


@pytest.mark.usefixtures("docker")
def test_the_lines_of_the_documentation_run():
    """Word for word, with Docker, which also asks for the container's health by itself."""
    (block,) = re.findall(
        r"```sh\n(docker run .*?)```", (ROOT / "docs/operation.md").read_text(), re.DOTALL
    )
    assert [flag for flag in HARDENED if flag not in shlex.split(block)] == []
    running = Container("docker", printed("sh", "-c", block))
    try:
        running.wait_until(lambda: running.inspect()["State"]["Health"]["Status"] == "healthy")
        file = (DATA / "table.png").read_bytes()
        answer = requests.post("http://127.0.0.1:9005/ocr", files={"image_file": file}, timeout=60)
        assert [entry["rec_txt"] for entry in answer.json().values()] == TRUTH["table.png"]
        printed("docker", "stop", running.name)
        assert running.inspect()["State"]["ExitCode"] == 0
    finally:
        running.remove()


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("backend", ["podman", "buildah", "docker"])
def test_bentoml_makes_its_own_image(backend):
    """By `bentoml containerize`, each for the engine that runs it; as hardened as the lean one."""
    engine = "docker" if backend == "docker" else "podman"
    writable = ("--env", "BENTOML_HOME=/tmp/bentoml")
    with container(*writable, engine=engine, image=f"made-with-{backend}") as running:
        assert running.texts("table.png") == TRUTH["table.png"]
        assert running.inside("id", "-u") == "1034"
    if engine == "podman":
        assert not left_by_builders(f"made-with-{backend}")


def test_compose_starts_it():
    compose = ["podman-compose", "--file", str(ROOT / "deploy/compose.yaml")]
    subprocess.run([*compose, "up", "--detach", "--no-build"], check=True)
    try:
        of_compose = ("--filter", "label=com.docker.compose.service=rapidocr")
        (name,) = printed("podman", "ps", *of_compose, "--format", "{{.Names}}").splitlines()
        running = Container("podman", name)
        running.wait_until_ready()
        answer = requests.post(
            "http://127.0.0.1:9005/ocr",
            files={"image_file": page_bytes("table.png")},
            timeout=60,
        )
        assert [entry["rec_txt"] for entry in answer.json().values()] == TRUTH["table.png"]
        assert all(json.loads(line) for line in running.log().splitlines())
        assert running.inspect()["HostConfig"]["ReadonlyRootfs"]
    finally:
        subprocess.run([*compose, "down", "--timeout", "20"], check=True)


@pytest.fixture
def manifests(tmp_path) -> dict[str, dict]:
    """What `kubectl apply -k` would send for an operator's overlay, by kind."""
    shutil.copytree(ROOT / "deploy/kubernetes", tmp_path / "base")
    name, tag = IMAGE.split(":")
    image = {"name": "rapidocr", "newName": name, "newTag": tag}
    # Newer kubectls than Debian's also take a folder for one of the "resources".
    overlay = {"bases": ["base"], "images": [image]}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    rendered = printed("kubectl", "kustomize", str(tmp_path))
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(rendered)}


def test_kustomize_puts_the_manifests_together(manifests):
    assert len(manifests) == len(list((ROOT / "deploy/kubernetes").glob("*.yaml"))) - 1


def test_the_deployment_runs(manifests, tmp_path):
    """As podman plays it: with its user, root, capabilities and limits."""
    file = tmp_path / "deployment.yaml"
    file.write_text(json.dumps(manifests["Deployment"]))
    printed("podman", "play", "kube", str(file))
    try:
        running = Container("podman", "rapidocr-pod-0-rapidocr", "http://127.0.0.1:3000")
        running.wait_until_ready()
        (described,) = manifests["Deployment"]["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert requests.get(running.url + described[probe]["httpGet"]["path"]).ok
        page = {"image_file": page_bytes("table.png")}
        answer = requests.post(f"{running.url}/ocr", files=page, timeout=60).json()
        assert [entry["rec_txt"] for entry in answer.values()] == TRUTH["table.png"]
        assert all(json.loads(line) for line in running.log().splitlines())
        assert_it_is_confined(running)
        assert running.inspect()["HostConfig"]["Memory"] == 3000 << 20
    finally:
        printed("podman", "play", "kube", "--down", str(file))


def test_prometheus_answers_the_dashboards_queries(tmp_path):
    """With a number each; before there was a request too, where there can be one."""
    dashboard = json.loads((ROOT / "deploy/grafana/rapidocr.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    at_rest = [query for query in queries if not re.search("_seconds_|_image_", query)]
    with container(published=True) as running, prometheus(running.url, tmp_path) as ask:
        running.wait_until(lambda: all(map(answered, map(ask, at_rest))))
        line = {"image_file": page_bytes("line.png")}
        running.wait_until(
            lambda: (
                requests.post(f"{running.url}/ocr", files=line).ok
                and all(map(answered, map(ask, queries)))
            )
        )


def answered(numbers: list[float]) -> bool:
    return bool(numbers) and all(map(math.isfinite, numbers))


@contextlib.contextmanager
def prometheus(url: str, folder: Path) -> Iterator[Callable[[str], list[float]]]:
    """Prometheus, which looks at a service each second; yield what asks it.

    Debian's has paths of its own for what is not named.
    """
    target = {"targets": [url.removeprefix("http://")]}
    job = {"job_name": "rapidocr", "scrape_interval": "1s", "static_configs": [target]}
    (folder / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--web.listen-address={address}",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'series'}",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stderr=log)

    def ask(query: str) -> list[float]:
        with contextlib.suppress(requests.ConnectionError):
            answer = requests.get(f"http://{address}/api/v1/query", {"query": query}, timeout=9)
            if answer.ok:  # it is not while Prometheus starts
                return [float(one["value"][1]) for one in answer.json()["data"]["result"]]
        return []

    try:
        yield ask
    finally:
        process.terminate()
        process.wait()


def test_its_labels_and_its_health_check():
    image = json.loads(printed("podman", "image", "inspect", IMAGE))[0]
    labels = image["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.source"] == os.environ["SOURCE"]
    assert image["Healthcheck"]["Test"][0] == "CMD"
    variables = dict(pair.split("=", 1) for pair in image["Config"]["Env"])
    assert variables["BENTOML_DO_NOT_TRACK"] == "True"
    assert variables["ORT_DISABLE_TELEMETRY"] == "1"


def size(image: str) -> int:
    return json.loads(printed("podman", "image", "inspect", image))[0]["Size"]


def test_it_is_lean():
    command = "podman save --format docker-archive $IMAGE | gzip --fast | wc --bytes"
    compressed = int(subprocess.check_output(["sh", "-c", command]))
    whole = size(IMAGE)
    assert (whole < 560e6, compressed < 225 << 20) == (True, True), (whole, compressed)


def test_with_openvino_it_computes_in_bfloat16_where_the_processor_does():
    processor = Path("/proc/cpuinfo").read_text()
    can = "avx512_bf16" in processor or "amx_bf16" in processor
    with container("--env", "OCR_PROFILE=fast", image=f"{IMAGE}-openvino") as running:
        assert running.texts("line.png") == TRUTH["line.png"]
        assert ("computes in float32" in running.log()) == (not can)
    more = (size(f"{IMAGE}-openvino") - size(IMAGE)) / 1e6
    (said,) = re.findall(r"about (\d+) MB", (ROOT / "docs/operation.md").read_text())
    assert more == pytest.approx(int(said), abs=15)


@pytest.mark.skipif("BASE_OF_PACKAGES" not in os.environ, reason="the sizes shown are of that base")
def test_the_images_are_as_large_as_the_documentation_says():
    _, section = (ROOT / "docs/operation.md").read_text().split("bentoml containerize", 1)
    whole, most, _, ours, base = map(int, re.findall(r"(\d+) MB", section))
    assert size("made-with-podman") / 1e6 == pytest.approx(whole, abs=30)
    assert size(IMAGE) / 1e6 < most
    assert (size(IMAGE) - size("localhost/python")) / 1e6 == pytest.approx(ours, abs=10)
    assert size("localhost/python") / 1e6 == pytest.approx(base, abs=5)
