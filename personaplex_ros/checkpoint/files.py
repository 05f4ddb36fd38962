"""Where the parts of a checkpoint lie: a folder in the public layout of PersonaPlex or Moshi."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from personaplex_ros.checkpoint.recognition import SUPPORTED, foreign_file, other_formats
from personaplex_ros.checkpoint.weights_file import INDEX, is_inside, parts_of
from personaplex_ros.mimi import MimiConfig
from personaplex_ros.nn.configuration import read, text
from personaplex_ros.resources import share_directory
from personaplex_ros.text_file import read_json

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

        ``config.json`` may name the files; without it they have their published names. Where the
        weights are cut into shards, ``model`` and ``mimi`` are the index of these. Single files can
        be given from elsewhere. Raises FileNotFoundError naming every missing file, and ValueError
        for a configuration that cannot be.
        """
        directory = resolve(checkpoint)
        config = read_json(path) if (path := directory / "config.json").is_file() else {}

        def locate(given: str | Path | None, key: str, published: str) -> Path:
            if given:
                return Path(given)
            path = named(directory, config, key, published)
            index = path.with_name(path.name + INDEX)
            return index if not path.is_file() and index.is_file() else path

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
            others = other_formats(directory)
            instead = f" It has {', '.join(others)}, but {SUPPORTED}." if others else ""
            raise FileNotFoundError(
                f"checkpoint {directory} is not complete, missing: {', '.join(missing)}.{instead} "
                "`personaplex download` fetches the published files"
            )
        for path in (parts.model, parts.mimi):
            parts_of(path)
        if config.get("mimi_config_name") is None:
            return parts
        path = named(directory, config, "mimi_config_name", "")
        if not path.is_file():
            raise FileNotFoundError(f"{path} is named in config.json but does not exist")
        content = read_json(path)
        try:
            codec = MimiConfig.from_json(content)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return replace(parts, mimi_config=codec)


def named(folder: Path, config: Mapping[str, Any], key: str, published: str) -> Path:
    """Return the file in a folder that a key of its config.json names, or else the published name.

    Raises ValueError for a name that leads out of the folder.
    """
    try:
        name = read(config, key, published, text)
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'}: {error}") from error
    if not is_inside(name):
        raise ValueError(
            f"{folder / 'config.json'}: `{key}` cannot be {name!r}; it must be a file within the "
            "folder"
        )
    return folder / name


def resolve(checkpoint: str | Path) -> Path:
    """Return the folder of a checkpoint given as a path or as the name of a bundled one.

    In the folder of a repository in Hugging Face's cache it is the snapshot there. Raises
    FileNotFoundError that names both places that were tried, ValueError for a file.
    """
    path = Path(checkpoint).expanduser()
    if path.is_dir():
        return _snapshot(path)
    if path.is_file():
        kind = foreign_file(path) or "of an unknown kind"
        raise ValueError(
            f"the checkpoint {path} is a file ({kind}); give the folder that holds {MODEL}, codec, "
            f"tokenizer and config.json: {SUPPORTED}"
        )
    bundled = share_directory() / "checkpoints" / str(checkpoint)
    if len(Path(checkpoint).parts) == 1 and bundled.is_dir():
        return bundled
    raise FileNotFoundError(
        f"no checkpoint folder {path}, and none bundled as {bundled}; give the folder that holds "
        f"{MODEL}, or run `personaplex download`"
    )


def _snapshot(folder: Path) -> Path:
    """Return the snapshot of a repository's folder in Hugging Face's cache, other folders as is."""
    snapshots = folder / "snapshots"
    if not snapshots.is_dir() or (folder / "config.json").exists() or (folder / MODEL).exists():
        return folder
    main = folder / "refs" / "main"
    if main.is_file():
        commit = main.read_text(errors="replace").strip()
        if is_inside(commit) and (snapshots / commit).is_dir():
            return snapshots / commit
    found = sorted(path for path in snapshots.iterdir() if path.is_dir())
    if len(found) == 1:
        return found[0]
    raise ValueError(
        f"{folder} is a repository in Hugging Face's cache with {len(found)} snapshots; give the "
        f"folder of one: {', '.join(map(str, found)) or 'there is none, download it first'}"
    )
