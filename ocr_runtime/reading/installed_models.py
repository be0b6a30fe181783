"""Settings -> the models that are installed, what each reads, and the others that RapidOCR has."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rapidocr import RapidOCR
from rapidocr.utils.model_resolver import LANG_MAPPING, MODEL_CONFIG_PATH

from ocr_runtime.reading.configuration import read_configuration
from ocr_runtime.reading.loading import STAGES, chosen_by, given_models, model_path
from ocr_runtime.reading.runtimes import metadata
from ocr_runtime.settings import Settings, SettingsError


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A model of RapidOCR's list, by what a configuration says to get it.

    Args:
        file: its name.
        stage: "Det", "Cls" or "Rec".
        version: `ocr_version`.
        kind: `model_type`.
        languages: values of `lang_type`.
    """

    file: str
    stage: str
    version: str
    kind: str
    languages: list[str]

    @property
    def language_names(self) -> list[str]:
        """The languages in English."""
        names = [LANG_MAPPING.get(code, {}).get("en", code) for code in self.languages]
        return list(dict.fromkeys(names))


@dataclass(frozen=True, kw_only=True)
class InstalledModel:
    """A model file.

    Args:
        path: where it is.
        stage: "Det", "Cls" or "Rec"; None: unknown.
        size: in bytes.
        used_by: what chose it, if it is used with the present settings.
        known: what RapidOCR says of it; None: it is not in RapidOCR's list.
        characters: how many it can read, if it says so.
    """

    path: Path
    stage: str | None
    size: int
    used_by: str | None
    known: KnownModel | None
    characters: int | None


def known_models() -> list[KnownModel]:
    """List the models for ONNX Runtime that RapidOCR can download."""
    listed: Any = OmegaConf.to_container(OmegaConf.load(MODEL_CONFIG_PATH))
    return [
        KnownModel(
            file=file["model_dir"].rpartition("/")[2],
            stage=stage.capitalize(),
            version=version,
            kind=kind,
            languages=[str(language) for language in route["supported_langs"]],
        )
        for version, stages in listed["model_routes"].items()
        for stage, kinds in stages.items()
        if stage.capitalize() in STAGES
        for kind, routes in kinds.items()
        if kind != "aliases"
        for route in routes
        if (file := _file(listed["onnxruntime"], version, stage, route["model_key"]))
    ]


def _file(listed: Any, version: str, stage: str, key: str) -> Any:
    return (listed.get(version, {}).get(stage) or {}).get(key)


def installed_models(settings: Settings) -> list[InstalledModel]:
    """List the model files of RapidOCR's folder, and those that settings name.

    Raises:
        SettingsError: the configuration cannot be used.
    """
    config = _config(settings)
    used = dict(_used(config, settings))
    folder = Path(config.Global.model_root_dir)
    paths = {*folder.glob("*.onnx"), *(path for path in used if path.is_file())}
    known = {model.file: model for model in known_models()}
    return [
        _installed(path, known.get(path.name), *used.get(path, (None, None)))
        for path in sorted(paths, key=lambda path: (path not in used, path.name))
    ]


def models_folder(settings: Settings) -> Path:
    """Where RapidOCR keeps its models."""
    return Path(_config(settings).Global.model_root_dir)


def _config(settings: Settings) -> DictConfig:
    params: dict[str, Any] = {"Global.log_level": "error"}
    if settings.config is not None:
        params |= read_configuration(settings.config)
    config: DictConfig = RapidOCR(params=params).cfg  # it opens a model when it first runs it
    return config


def _used(config: DictConfig, settings: Settings) -> Iterator[tuple[Path, tuple[str, str]]]:
    """Yield the path of each stage's model, with the stage and what chose it."""
    given = given_models(settings)
    for stage in STAGES:
        setting = chosen_by(stage, settings)
        yield given.get(stage) or model_path(config, stage, setting), (setting, stage)


def _installed(
    path: Path, known: KnownModel | None, used_by: str | None, stage: str | None
) -> InstalledModel:
    try:
        characters = metadata(path).get("character")
    except SettingsError:
        characters = None
    return InstalledModel(
        path=path,
        stage=stage or (known.stage if known else None),
        size=path.stat().st_size,
        used_by=used_by,
        known=known,
        characters=len(characters.splitlines()) if characters else None,
    )
