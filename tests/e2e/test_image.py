"""The image, in containers run as a careful operator runs them. `scripts/image` builds it."""

import contextlib
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
import yaml
from conftest import DATA, TRUTH, page_bytes
from rapidocr.main import DEFAULT_CFG_PATH, root_dir
from serving import ROOT, free_port

from ocr_runtime import __version__

IMAGE = os.environ["IMAGE"]
BUILD_CONF = os.environ["BUILD_CONF"]
READY = 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:3000/readyz")'
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


def podman(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["podman", *arguments], input=data, capture_output=True, check=False)


def printed(*arguments: str, data: bytes = b"") -> str:
    ended = podman(*arguments, data=data)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode().strip()


class Container:
    def __init__(self, name: str, url: str | None) -> None:
        self.name = name
        self.url = url

    def inside(self, *command: str, data: bytes = b"") -> str:
        return printed("exec", "--interactive", self.name, *command, data=data)

    def log(self) -> str:
        return printed("logs", self.name)

    def texts(self, page: str) -> list[str]:
        """Read a page from inside: works without a network too."""
        answer = json.loads(self.inside("python3", "-c", READ_A_PAGE, data=page_bytes(page)))
        return [entry["rec_txt"] for entry in answer.values()]

    def wait_until_healthy(self) -> None:
        for _ in range(100):
            if podman("healthcheck", "run", self.name).returncode == 0:
                return
            time.sleep(0.2)
        raise AssertionError(self.log())


@contextlib.contextmanager
def container(*flags: str, published: bool = False) -> Iterator[Container]:
    port = free_port()
    network = ["--publish", f"127.0.0.1:{port}:3000"] if published else ["--network", "none"]
    name = printed("run", "--detach", *HARDENED, *network, *flags, IMAGE)
    try:
        running = Container(name, f"http://127.0.0.1:{port}" if published else None)
        running.wait_until_healthy()
        yield running
    finally:
        podman("rm", "--force", "--time", "1", name)


@pytest.fixture(scope="module")
def plain() -> Iterator[Container]:
    """As hardened as can be, and without a network."""
    with container("--env", "OCR_LOG_FORMAT=json", "--env", "TZ=Asia/Shanghai") as running:
        yield running


def test_it_reads_a_page_without_a_network(plain):
    assert plain.texts("table.png") == TRUTH["table.png"]


def test_its_user_is_a_number_other_than_root(plain):
    assert json.loads(printed("inspect", plain.name))[0]["Config"]["User"] == "1034:1034"
    assert plain.inside("id", "-u") == "1034"
    status = plain.inside("cat", "/proc/1/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_nothing_but_tmp_can_be_written(plain):
    script = "for f in / /bento /opt/venv /tmp; do touch $f/it 2>/dev/null && echo $f; done"
    assert plain.inside("sh", "-c", f"{script}; true") == "/tmp"


def test_the_quota_decides_the_threads(plain):
    count = "from ocr_runtime.settings import Settings as S; print(S().threads_per_worker)"
    assert plain.inside("sh", "-c", f"cd /bento/src && python3 -c '{count}'") == "1"


def test_its_log_is_json_in_the_local_time(plain):
    plain.texts("line.png")
    lines = [json.loads(line) for line in plain.log().splitlines()]
    assert all(line["time"].endswith("+08:00") for line in lines)
    assert (lines[-1]["path"], lines[-1]["status"]) == ("/ocr", 200)


def test_its_memory_limit_is_kept_under_load(plain):
    pages = list(TRUTH) * 4
    with ThreadPoolExecutor(4) as callers:
        read = list(callers.map(plain.texts, pages))
    assert read == read[: len(TRUTH)] * 4
    assert read[pages.index("table.png")] == TRUTH["table.png"]
    state = json.loads(printed("inspect", plain.name))[0]
    assert state["State"]["Running"]
    assert not state["State"]["OOMKilled"]
    assert state["HostConfig"]["Memory"] == 2500 << 20


def test_nothing_that_builds_is_inside(plain):
    look = "for tool in sh gcc cc make git pip uv; do command -v $tool; done; true"
    assert plain.inside("sh", "-c", look).splitlines() == ["/usr/bin/sh"]
    caches = plain.inside("sh", "-c", "ls -A /root /var/cache/apt/archives 2>/dev/null; true")
    assert ".deb" not in caches
    assert ".cache" not in caches


def test_a_request_in_flight_is_finished_when_it_is_stopped():
    answers = []
    with container(published=True) as running:
        page = page_bytes("table.png")

        def send() -> None:
            answers.append(requests.post(f"{running.url}/ocr", files={"image_file": page}))

        assert requests.get(f"{running.url}/readyz").ok
        thread = threading.Thread(target=send)
        thread.start()
        time.sleep(0.3)  # it is being read; one core takes a second
        printed("stop", "--time", "20", running.name)
        thread.join()
        assert json.loads(printed("inspect", running.name))[0]["State"]["ExitCode"] == 0
    assert [entry["rec_txt"] for entry in answers[0].json().values()] == TRUTH["table.png"]


def test_a_wrong_setting_ends_it_with_one_line():
    ended = podman("run", "--rm", *HARDENED, "--env", "OCR_THREADS=0", IMAGE)
    assert ended.returncode not in (0, 125, 126, 127)
    lines = (ended.stdout + ended.stderr).decode().strip().splitlines()
    assert [line for line in lines if "OCR_THREADS" in line] == lines[-1:]


def test_a_configuration_and_models_can_be_mounted(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(DEFAULT_CFG_PATH.read_text().replace("use_det: true", "use_det: false"))
    (model,) = (root_dir / "models").glob("*_rec_small.onnx")
    flags = (
        f"--volume {config}:/config.yaml:ro --env OCR_CONFIG=/config.yaml "
        f"--volume {model}:/rec.onnx:ro --env rec_model_path=/rec.onnx"
    )
    with container(*flags.split()) as running:
        (line,) = json.loads(
            running.inside("python3", "-c", READ_A_PAGE, data=page_bytes("line.png"))
        ).values()
        assert "dt_boxes" not in line


def test_the_readmes_lines_run():
    (block,) = re.findall(
        r"```sh\n(docker run .*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    command = shlex.split(block.replace("\\\n", " "))
    assert [flag for flag in HARDENED if flag not in command] == []
    name = printed(*command[1:-1], IMAGE)
    try:
        Container(name, None).wait_until_healthy()
        file = (DATA / "table.png").read_bytes()
        answer = requests.post("http://127.0.0.1:9005/ocr", files={"image_file": file}, timeout=60)
        assert [entry["rec_txt"] for entry in answer.json().values()] == TRUTH["table.png"]
    finally:
        podman("rm", "--force", "--time", "1", name)


@pytest.fixture(scope="module")
def builder(tmp_path_factory) -> Iterator[dict[str, str]]:
    """An environment for BentoML's own builds; podman answers for Docker, whose client is real."""
    socket = f"unix://{tmp_path_factory.mktemp('podman')}/socket"
    podmans = {"CONTAINERS_CONF": BUILD_CONF, "BUILDAH_ISOLATION": "chroot", "BUILDAH_LAYERS": "1"}
    environ = os.environ | podmans | {"DOCKER_HOST": socket, "DOCKER_BUILDKIT": "0"}
    service = subprocess.Popen(["podman", "system", "service", "--time", "0", socket], env=environ)
    try:
        yield environ
    finally:
        service.terminate()
        service.wait()


@pytest.mark.parametrize("backend", ["podman", "buildah", "docker"])
def test_bentoml_makes_its_own_image(backend, builder):
    image = f"localhost/made-with-{backend}"
    command = ["bentoml", "containerize", "rapidocr:latest", "--backend", backend, "-t", image]
    subprocess.run(command, env=builder, check=True)
    ready = f"python3 -c '{READY}'"
    name = printed("run", "--detach", "--network", "none", "--health-cmd", ready, image)
    try:
        running = Container(name, None)
        running.wait_until_healthy()
        assert running.texts("table.png") == TRUTH["table.png"]
    finally:
        podman("rm", "--force", "--time", "1", name)


def test_compose_starts_it(tmp_path):
    """With the file as it is, but for the image's name here."""
    file = tmp_path / "compose.yaml"
    text = (ROOT / "deploy/compose.yaml").read_text()
    file.write_text(text.replace("image: rapidocr:latest", f"image: {IMAGE}"))
    compose = ["podman-compose", "--file", str(file)]
    subprocess.run([*compose, "up", "--detach", "--no-build"], check=True)
    try:
        of_compose = ("--filter", "label=com.docker.compose.service=rapidocr")
        (name,) = printed("ps", *of_compose, "--format", "{{.Names}}").splitlines()
        running = Container(name, None)
        running.wait_until_healthy()
        answer = requests.post(
            "http://127.0.0.1:9005/ocr",
            files={"image_file": page_bytes("table.png")},
            timeout=60,
        )
        assert [entry["rec_txt"] for entry in answer.json().values()] == TRUTH["table.png"]
        assert all(json.loads(line) for line in running.log().splitlines())
        assert json.loads(printed("inspect", name))[0]["HostConfig"]["ReadonlyRootfs"]
    finally:
        subprocess.run([*compose, "down", "--timeout", "20"], check=True)


def test_kustomize_puts_the_manifests_together(tmp_path):
    """With another image, as an operator's own overlay would."""
    overlay = {"resources": ["base"], "images": [{"name": "rapidocr", "newName": "mirror/ocr"}]}
    shutil.copytree(ROOT / "deploy/kubernetes", tmp_path / "base")
    (tmp_path / "kustomization.yaml").write_text(json.dumps(overlay))
    rendered = subprocess.check_output(["kubectl", "kustomize", tmp_path], text=True)
    by_kind = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(rendered)}
    assert len(by_kind) == len(list((tmp_path / "base").glob("*.yaml"))) - 1
    (described,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert described["image"] == "mirror/ocr:latest"


def test_prometheus_answers_the_dashboards_queries(tmp_path):
    dashboard = json.loads((ROOT / "deploy/grafana/rapidocr.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    with container(published=True) as running, prometheus(running.url, tmp_path) as ask:
        for _ in range(60):
            requests.post(f"{running.url}/ocr", files={"image_file": page_bytes("line.png")})
            found = [ask(query) for query in queries]
            if all(numbers and all(map(math.isfinite, numbers)) for numbers in found):
                break
            time.sleep(0.5)
        else:
            raise AssertionError(dict(zip(queries, found, strict=True)))


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
    image = json.loads(printed("image", "inspect", IMAGE))[0]
    labels = image["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert image["Healthcheck"]["Test"][0] == "CMD"
    variables = dict(pair.split("=", 1) for pair in image["Config"]["Env"])
    assert variables["BENTOML_DO_NOT_TRACK"] == "True"
    assert variables["ORT_DISABLE_TELEMETRY"] == "1"


def test_it_is_lean():
    size = json.loads(printed("image", "inspect", IMAGE))[0]["Size"]
    command = "podman save --format docker-archive $IMAGE | gzip --fast | wc --bytes"
    compressed = int(subprocess.check_output(["sh", "-c", command]))
    assert (size < 500e6, compressed < 200 << 20) == (True, True), (size, compressed)
