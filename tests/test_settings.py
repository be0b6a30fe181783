"""Settings come from the environment, are checked, and stop the start with one line."""

import json
import subprocess
import sys

import pytest
from rapidocr.main import DEFAULT_CFG_PATH
from serving import BENTOML, ROOT, clean_environ, serving

from ocr_runtime.settings import Settings, SettingsError, granted_cores


def test_an_empty_environment_gives_the_defaults():
    settings = Settings.from_environ({"PATH": "/usr/bin"})
    assert settings.max_body_mb == 20
    assert settings.max_pixels == 50_000_000
    assert settings.max_det_pixels == 12_000_000
    assert settings.idle_seconds == 75
    assert not settings.strict
    assert settings.score_format == "string"
    assert settings.threads_per_worker == granted_cores()


def test_an_empty_variable_counts_as_unset():
    assert Settings.from_environ({"OCR_THREADS": "", "det_model_path": ""}) == Settings()


@pytest.mark.parametrize("keys", ["", " , ", "long-enough,short", "with-a-\x07-bell-in-it"])
def test_unusable_keys_are_refused_and_not_shown(keys):
    with pytest.raises(SettingsError) as error:
        Settings.from_environ({"OCR_API_KEYS": keys})
    assert str(error.value).startswith("OCR_API_KEYS: ")
    assert not any(word in str(error.value) for word in ("long-enough", "short", "bell"))


def test_keys_come_from_the_variable_and_the_file_and_are_not_shown(tmp_path):
    file = tmp_path / "keys"
    file.write_text("in-the-file-1\n\n  in-the-file-2  \n")
    environ = {"OCR_API_KEYS": "first-key, second-key", "OCR_API_KEYS_FILE": str(file)}
    settings = Settings.from_environ(environ)
    assert settings.keys == {"first-key", "second-key", "in-the-file-1", "in-the-file-2"}
    assert not any(key in repr(settings) for key in settings.keys)


def test_origins_are_a_list():
    assert Settings.from_environ({"OCR_CORS_ORIGINS": "*"}).cors_origins == {"*"}
    given = {"OCR_CORS_ORIGINS": "https://a.example, http://localhost:8080"}
    expected = {"https://a.example", "http://localhost:8080"}
    assert Settings.from_environ(given).cors_origins == expected


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("exact", [(1, 1, 1), (2, 1, 2), (16, 1, 16), (17, 2, 8), (64, 4, 16)]),
        ("standard", [(1, 1, 1), (2, 1, 2), (4, 1, 4), (5, 2, 2), (16, 4, 4), (64, 16, 4)]),
        ("fast", [(2, 1, 2), (8, 2, 4)]),
    ],
)
def test_a_process_has_as_many_cores_as_its_profile_can_use(profile, expected, monkeypatch):
    for cores, processes, threads in expected:
        monkeypatch.setattr("ocr_runtime.settings.granted_cores", lambda cores=cores: cores)
        settings = Settings(profile=profile)
        assert (settings.processes, settings.threads_per_worker) == (processes, threads)
        assert Settings(profile=profile, workers=3).processes == 3


def test_the_cores_are_shared_by_the_workers():
    workers = granted_cores() + 1
    assert Settings.from_environ({"OCR_WORKERS": str(workers)}).threads_per_worker == 1
    assert Settings.from_environ({"OCR_THREADS": "7"}).threads_per_worker == 7


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OCR_WORKERS", "0"),
        ("OCR_WORKERS", "two"),
        ("OCR_THREADS", "0"),
        ("OCR_MAX_BODY_MB", "-1"),
        ("OCR_MAX_PIXELS", "0"),
        ("OCR_MAX_DET_PIXELS", "1000"),
        ("OCR_MAX_PAGES", "0"),
        ("OCR_PAGE_SECONDS", "0"),
        ("OCR_MAX_QUEUE", "-1"),
        ("OCR_TIMEOUT_SECONDS", "0"),
        ("OCR_TIMEOUT_SECONDS", "nan"),
        ("OCR_IDLE_SECONDS", "0"),
        ("OCR_IDLE_SECONDS", "3601"),
        ("OCR_STRICT", "perhaps"),
        ("OCR_SCORE_FORMAT", "percent"),
        ("OCR_LOG_FORMAT", "xml"),
        ("OCR_PROFILE", "faster"),
        ("OCR_API_KEYS_FILE", ""),
        ("OCR_API_KEYS_FILE", "/nowhere/keys"),
        ("OCR_API_KEYS_FILE", "/dev/null"),
        ("OCR_API_KEYS_FILE", "/"),
        ("OCR_PUBLIC_DOCS", "perhaps"),
        ("OCR_CORS_ORIGINS", " "),
        ("OCR_CORS_ORIGINS", "https://app.example/"),
        ("OCR_CORS_ORIGINS", "app.example"),
        ("OCR_CONFIG", "/nowhere/config.yaml"),
        ("det_model_path", "/nowhere/det.onnx"),
        ("cls_model_path", "/nowhere/cls.onnx"),
        ("rec_model_path", "/"),
    ],
)
def test_a_value_out_of_bounds_is_refused_in_one_line_that_names_it(variable, value):
    with pytest.raises(SettingsError) as error:
        Settings.from_environ({variable: value})
    assert str(error.value).startswith(f"{variable}={value!r}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("variable", "value", "wrong"),
    [
        ("OCR_WORKERS", "0", "must be at least 1"),
        ("OCR_WORKERS", "two", "must be a whole number"),
        ("OCR_WORKERS", "1.5", "must be a whole number"),
        ("OCR_MAX_PIXELS", "1000000001", "must be at most 1000000000"),
        ("OCR_IDLE_SECONDS", "0", "must be greater than 0"),
        ("OCR_IDLE_SECONDS", "3601", "must be at most 3600"),
        ("OCR_IDLE_SECONDS", "long", "must be a number"),
        ("OCR_IDLE_SECONDS", "nan", "must be a number"),
        ("OCR_STRICT", "perhaps", "must be true or false"),
        ("OCR_LOG_FORMAT", "xml", "must be 'text' or 'json'"),
        ("OCR_CONFIG", "/nowhere/config.yaml", "is not a file"),
        ("OCR_API_KEYS_FILE", "/nowhere/keys", "No such file or directory"),
        (
            "OCR_CORS_ORIGINS",
            "app.example",
            "an origin is like https://example.org:8443, without a path; or *",
        ),
    ],
)
def test_the_line_says_what_is_wrong(variable, value, wrong):
    with pytest.raises(SettingsError) as error:
        Settings.from_environ({variable: value})
    assert str(error.value) == f"{variable}={value!r}: {wrong}"


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ocr:s3cret@db/x",
        "s3cret",
        "postgresql://ocr:s3cret@db:p0rt/x",
        "postgres://ocr:s3cret@db:54 32/x",
    ],
)
def test_an_unusable_url_of_a_database_is_refused_and_not_shown(url):
    with pytest.raises(SettingsError) as error:
        Settings.from_environ({"OCR_JOBS_STORE": url})
    wrong = "must be like postgresql://user:password@host/database"
    assert str(error.value) == f"OCR_JOBS_STORE: {wrong}"


@pytest.mark.parametrize(
    "url",
    [
        "postgres://db/x",
        "postgresql://ocr:a%2Fb@[::1]:5432/x?sslmode=require",
        "postgresql:///x?host=/run/postgresql",
    ],
)
def test_the_url_of_a_database(url):
    assert Settings.from_environ({"OCR_JOBS_STORE": url}).jobs_store == url


def test_sqlalchemy_is_loaded_only_for_a_database():
    program = (
        "import sys; from ocr_runtime.settings import Settings; Settings.from_environ({});"
        "assert 'sqlalchemy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", ["OCR_THREAD", "OCR_config", "OCR_", "OCR_PORT_HTTP"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(SettingsError, match=name):
        Settings.from_environ({name: "1"})


def test_variables_that_kubernetes_injects_for_a_service_called_ocr_are_ignored():
    Settings.from_environ(
        {
            "OCR_SERVICE_HOST": "10.0.0.1",
            "OCR_SERVICE_PORT": "80",
            "OCR_SERVICE_PORT_HTTP": "80",
            "OCR_PORT": "tcp://10.0.0.1:80",
            "OCR_PORT_80_TCP": "tcp://10.0.0.1:80",
            "OCR_PORT_80_TCP_PROTO": "tcp",
            "OCR_PORT_80_TCP_PORT": "80",
            "OCR_PORT_80_TCP_ADDR": "10.0.0.1",
        }
    )


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "100000 100000"}, 1),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, granted_cores()),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, granted_cores()),
        ({}, granted_cores()),
    ],
)
def test_a_cgroup_quota_is_respected(tmp_path, files, cores):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    assert granted_cores(tmp_path) == cores


def refused_start(**variables: str) -> str:
    ended = subprocess.run(
        [BENTOML, "serve", "--port", "0"],
        cwd=ROOT,
        env=clean_environ(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    return ended.stdout + ended.stderr


def test_a_bad_setting_stops_the_start_with_one_line():
    assert refused_start(OCR_TIMEOUT_SECONDS="-3") == (
        "rapidocr: OCR_TIMEOUT_SECONDS='-3': must be greater than 0\n"
    )


@pytest.mark.slow
def test_an_unknown_setting_stops_the_start_with_one_line():
    assert refused_start(OCR_THRAEDS="2") == (
        "rapidocr: OCR_THRAEDS is not a setting of this service\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["det", "cls", "rec"])
def test_a_file_that_is_no_model_stops_the_start_with_one_line(stage, tmp_path):
    rubbish = tmp_path / "model.onnx"
    rubbish.write_bytes(b"not a model")
    assert refused_start(**{f"{stage}_model_path": str(rubbish)}) == (
        f"rapidocr: {stage}_model_path: {rubbish} is not an ONNX model\n"
    )


@pytest.mark.slow
def test_a_file_that_is_no_configuration_stops_the_start_with_one_line(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("Global: 1\n")
    assert refused_start(OCR_CONFIG=str(config)) == (
        f"rapidocr: OCR_CONFIG={config}: Global takes a mapping of keys, not 1\n"
    )


@pytest.mark.slow
def test_a_model_that_rapidocr_does_not_have_stops_the_start_with_one_line(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("Cls: {lang_type: fr}\n")
    assert refused_start(OCR_CONFIG=str(config)) == (
        f"rapidocr: OCR_CONFIG={config}: Cls: RapidOCR has no model of ocr_version PP-OCRv4, "
        "model_type mobile and this lang_type; it has the languages: ch, multi\n"
    )


@pytest.mark.slow
def test_what_rapidocr_logs_is_in_the_form_of_the_setting(tmp_path):
    stock = DEFAULT_CFG_PATH.read_text()
    assert 'log_level: "info"' in stock
    (tmp_path / "config.yaml").write_text(stock)
    config = str(tmp_path / "config.yaml")
    with serving(tmp_path, OCR_LOG_FORMAT="json", OCR_CONFIG=config) as server:
        lines = [json.loads(line) for line in server.log().splitlines()]
    assert [line for line in lines if "engine_name" in line.get("message", "")]
