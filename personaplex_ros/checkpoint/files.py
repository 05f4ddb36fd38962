"""Where the parts of a checkpoint lie: a folder in the public layout of PersonaPlex or Moshi."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from personaplex_ros.mimi import MimiConfig
from personaplex_ros.resources import share_directory

MODEL = "model.safetensors"
MIMI = "tokenizer-e351c8d8-checkpoint125.safetensors"
TOKENIZER = "tokenizer_spm_32k_3.model"


@dataclass(frozen=True)
class CheckpointFiles:
    """The files of one checkpoint and what its configurations say."""

    directory: Path
    model: Path
    mimi: Path
    tokenizer: Path
    config: Mapping[str, Any]  # config.json, empty if there is none
    mimi_config: MimiConfig

    @staticmethod
    def find(
        checkpoint: str | Path,
        *,
        model: str | Path | None = None,
        mimi: str | Path | None = None,
        tokenizer: str | Path | None = None,
    ) -> CheckpointFiles:
        """Look into a folder, or into a bundled checkpoint when given its name (``nano``).

        ``config.json`` may name the files; without it they have their published names. Single
        files can be given from elsewhere. Raises FileNotFoundError naming every missing file.
        """
        directory = resolve(checkpoint)
        config = _read_json(directory / "config.json")

        def locate(given: str | Path | None, key: str, published: str) -> Path:
            return Path(given) if given else directory / str(config.get(key) or published)

        parts = CheckpointFiles(
            directory,
            locate(model, "moshi_name", MODEL),
            locate(mimi, "mimi_name", MIMI),
            locate(tokenizer, "tokenizer_name", TOKENIZER),
            config,
            MimiConfig(),
        )
        needed = (parts.model, parts.mimi, parts.tokenizer)
        missing = [str(path) for path in needed if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"checkpoint {directory} is not complete, missing: {', '.join(missing)}; "
                "`personaplex download` fetches the published files"
            )
        name = config.get("mimi_config_name")
        if not name:
            return parts
        path = directory / str(name)
        try:
            codec = MimiConfig.from_json(_read_json(path, needed=True))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return replace(parts, mimi_config=codec)


def resolve(checkpoint: str | Path) -> Path:
    """Return the folder of a checkpoint given as a path or as the name of a bundled one.

    Raises FileNotFoundError that names both places that were tried.
    """
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return path
    bundled = share_directory() / "checkpoints" / str(checkpoint)
    if len(Path(checkpoint).parts) == 1 and bundled.is_dir():
        return bundled
    raise FileNotFoundError(
        f"no checkpoint folder {path}, and none bundled as {bundled}; give the folder that holds "
        f"{MODEL}, or run `personaplex download`"
    )


def _read_json(path: Path, needed: bool = False) -> dict[str, Any]:
    if not path.is_file():
        if needed:
            raise FileNotFoundError(f"{path} is named in config.json but does not exist")
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} must hold a JSON object, it holds a {type(content).__name__}")
    return content
