"""What is deployed exists: ports, paths, variables, users and metrics are the service's own."""

import json
import re

import kubernetes_validate
import pytest
import yaml
from conftest import page_bytes
from serving import ROOT

from ocr_runtime import __version__
from ocr_runtime.settings import Settings

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
DEPLOYMENT = yaml.safe_load((DEPLOY / "kubernetes/deployment.yaml").read_text())
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["rapidocr"]


def manifests(*kinds: str) -> list[dict]:
    every = [yaml.safe_load(path.read_text()) for path in MANIFESTS]
    return [manifest for manifest in every if not kinds or manifest["kind"] in kinds]


def test_the_manifests_fit_the_schemas_of_kubernetes():
    ours = [
        manifest
        for manifest in manifests()
        if manifest["kind"] not in ("Kustomization", "ServiceMonitor")  # the schemas lack these
    ]
    assert len(ours) == 5
    for manifest in ours:
        kubernetes_validate.validate(manifest, "1.34", strict=True)
    CONTAINER["prots"] = CONTAINER["ports"]
    try:
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(DEPLOYMENT, "1.34", strict=True)
    finally:
        del CONTAINER["prots"]


def test_the_kustomization_names_every_manifest():
    (kustomization,) = manifests("Kustomization")
    named = {*kustomization["resources"], "kustomization.yaml"}
    assert named == {path.name for path in MANIFESTS}
    assert kustomization["images"][0]["name"] == CONTAINER["image"]


def test_everything_selects_the_pods():
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    wanted = {"matchLabels": labels}
    by_kind = {manifest["kind"]: manifest.get("spec", {}) for manifest in manifests()}
    assert by_kind["Service"]["selector"] == labels
    assert DEPLOYMENT["spec"]["selector"] == wanted
    assert by_kind["NetworkPolicy"]["podSelector"] == wanted
    assert by_kind["PodDisruptionBudget"]["selector"] == wanted
    assert by_kind["ServiceMonitor"]["selector"] == wanted
    assert POD["topologySpreadConstraints"][0]["labelSelector"] == wanted
    target = by_kind["HorizontalPodAutoscaler"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", DEPLOYMENT["metadata"]["name"])


def test_ports_and_users_are_those_of_the_image():
    (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    assert CONTAINER["ports"] == [{"name": "http", "containerPort": int(port)}]
    (service,) = manifests("Service")
    (network,) = manifests("NetworkPolicy")
    (monitor,) = manifests("ServiceMonitor")
    assert service["spec"]["ports"][0]["targetPort"] == "http"
    assert network["spec"]["ingress"][0]["ports"] == [{"port": "http"}]
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert COMPOSE["ports"][0].endswith(f":{port}")
    (user,) = re.findall(r"^USER (\d+):\1$", DOCKERFILE, re.MULTILINE)
    assert POD["securityContext"]["runAsUser"] == int(user)


def test_the_version_is_typed_once_and_the_image_is_told():
    assert 'image.version="${VERSION}"' in DOCKERFILE
    assert "ocr_runtime.__version__" in (ROOT / "scripts/image").read_text()
    assert __version__ not in DOCKERFILE


def test_variables_are_settings():
    names = {variable["name"] for variable in CONTAINER["env"]} | set(COMPOSE["environment"])
    assert names - {"TZ"} <= set(Settings.variables())


def test_there_is_time_to_finish():
    slowest = 2 * Settings().timeout_seconds  # for its body to arrive, and for its answer
    waits = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    assert POD["terminationGracePeriodSeconds"] > waits + slowest
    assert int(COMPOSE["stop_grace_period"].removesuffix("s")) > slowest


def test_probes_and_metrics_are_answered(server):
    server.ocr(page_bytes("line.png"))
    kinds = ("startupProbe", "readinessProbe", "livenessProbe")
    probes = [CONTAINER[kind]["httpGet"]["path"] for kind in kinds]
    (monitor,) = manifests("ServiceMonitor")
    for path in [*probes, monitor["spec"]["endpoints"][0]["path"]]:
        assert server.get(path).status_code == 200
    dashboard = json.loads((DEPLOY / "grafana/rapidocr.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    exposed = server.get("/metrics").text
    assert len(queries) == 14
    for query in queries:
        metrics = re.findall(r"((?:bentoml|rapidocr)_\w+)(?:\{(.*?)\})?", query)
        assert metrics
        for name, labels in metrics:
            (line, *_) = re.findall(rf"^{name}[{{ ].*", exposed, re.MULTILINE)
            for label in re.findall(r"(\w+)=", labels):
                assert f"{label}=" in line
        for label in re.findall(r"by \((?!instance)(\w+)\)", query):
            assert f"{label}=" in exposed
