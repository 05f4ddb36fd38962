"""Downloads over HTTP from a hub on this machine: what arrives, and what is said when it fails."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_client import REPOSITORY, Client
from hub_server import COMMIT, Hub, serve
from safetensors.torch import load, save

from personaplex_ros.checkpoint.download import needed_files
from personaplex_ros.resources import share_directory
from personaplex_ros.units import readable

MODEL = "model.safetensors"
VOICES = "voices.tgz"
WEIGHTS = (MODEL, "tokenizer-e351c8d8-checkpoint125.safetensors")


@pytest.fixture
def hub() -> Iterator[Hub]:
    nano = share_directory() / "checkpoints" / "nano"
    files = {path.name: path.read_bytes() for path in nano.iterdir() if path.is_file()}
    files[VOICES] = os.urandom(20_000)
    files["README.md"] = b"not needed"
    with serve(Hub(REPOSITORY, files)) as running:
        yield running


@pytest.fixture
def client(hub: Hub, tmp_path: Path) -> Client:
    return Client(hub, tmp_path)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_that_a_checkpoint_needs_arrives_and_nothing_else(hub: Hub, client: Client) -> None:
    status, out, err = client.run()
    assert status == 0, err
    assert names(client.folder) == set(hub.files) - {"README.md"}
    for name in names(client.folder):
        assert (client.folder / name).read_bytes() == hub.files[name]
    assert f"--checkpoint {client.folder}" in out


def test_all_files_are_of_one_commit(hub: Hub, client: Client) -> None:
    client.run()
    looked = [path for method, path, _ in hub.requests if method == "HEAD"]
    assert f"/{REPOSITORY}/resolve/main/config.json" in looked[0]
    assert all(f"/resolve/{COMMIT}/" in p or "/stored/" in p for p in looked[1:])


def test_a_second_run_fetches_nothing_again_but_replaces_what_is_damaged(
    hub: Hub, client: Client
) -> None:
    client.run()
    hub.requests.clear()
    damaged = client.folder / WEIGHTS[1]
    damaged.write_bytes(bytes(damaged.stat().st_size))
    status, out, err = client.run()
    assert status == 0, err
    fetched = [path for method, path, _ in hub.requests if method == "GET" and "/api/" not in path]
    assert [path.rsplit("/", 1)[-1] for path in fetched] == [WEIGHTS[1]] * len(fetched) != []
    assert "model.safetensors: already there" in out
    assert damaged.read_bytes() == hub.files[WEIGHTS[1]]


def test_a_killed_download_continues_where_it_stopped(hub: Hub, client: Client) -> None:
    hub.files[VOICES] = os.urandom(25_000_000)  # more than the 10 MiB that are written at once
    hub.hold[VOICES] = 15_000_000
    child = client.start()
    deadline = time.monotonic() + 30
    while not (parts := incomplete(client.folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()
    child.join()
    assert not client.folder.joinpath(VOICES).exists()
    arrived = parts[0].stat().st_size
    assert 0 < arrived < 25_000_000
    hub.hold.clear()
    hub.release.set()
    status, out, err = client.run()
    assert status == 0, err
    assert hub.ranges(f"stored/{VOICES}")[-1] == f"bytes={arrived}-"
    assert f"{VOICES}: 25.0 MB, continuing at {readable(arrived)}" in out
    assert (client.folder / VOICES).read_bytes() == hub.files[VOICES]
    assert not incomplete(client.folder)


def incomplete(folder: Path) -> list[Path]:
    """Return the partial files of the voices that hold something."""
    found = folder.glob(f"{VOICES}.*.incomplete") if folder.exists() else ()
    return [path for path in found if path.stat().st_size]


def test_a_dropped_connection_is_taken_up_again_at_once(hub: Hub, client: Client) -> None:
    hub.files[VOICES] = os.urandom(25_000_000)
    hub.drop[VOICES] = 15_000_000
    status, _, err = client.run()
    assert status == 0, err
    assert len(hub.ranges(f"stored/{VOICES}")) == 2
    assert (client.folder / VOICES).read_bytes() == hub.files[VOICES]


def test_two_downloads_into_one_folder_do_not_mix(hub: Hub, client: Client) -> None:
    hub.files[VOICES] = os.urandom(25_000_000)
    hub.hold[VOICES] = 15_000_000
    first = client.start()
    deadline = time.monotonic() + 30
    while not incomplete(client.folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert "another download is writing" in client.refused()
    hub.release.set()
    first.join(30)
    assert first.exitcode == 0
    assert (client.folder / VOICES).read_bytes() == hub.files[VOICES]


def test_a_gated_model_without_a_token_says_what_to_do_step_by_step(
    hub: Hub, client: Client
) -> None:
    hub.token = "hf_right"
    text = client.refused()
    for part in ("No token was given", f"https://huggingface.co/{REPOSITORY}", "hf auth login"):
        assert part in text
    assert "HF_TOKEN" in text and "(401)" in text


def test_the_right_token_opens_a_gated_model(hub: Hub, client: Client) -> None:
    hub.token = "hf_right"
    client.environment["HF_TOKEN"] = "hf_right"
    status, _, err = client.run()
    assert status == 0, err


def test_a_licence_not_accepted_is_told_apart_from_a_missing_token(
    hub: Hub, client: Client
) -> None:
    hub.refusal = (403, "GatedRepo", "Access to model someone/small is restricted")
    client.environment["HF_TOKEN"] = "hf_other"
    text = client.refused()
    assert "not of an account that was granted access" in text and "(403)" in text
    assert "Accept the licence" in text


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        ((401, "", "Invalid credentials in Authorization header"), "the token is not valid"),
        ((403, "", "Please enable access to public gated repositories"), "public gated reposi"),
        ((401, "RepoNotFound", "Repository not found"), "knows no repository 'someone/small'"),
        ((503, "", "Down for maintenance"), "answered 503 (Down for maintenance); try again"),
    ],
)
def test_other_refusals_name_their_remedy(
    hub: Hub, client: Client, refusal: tuple[int, str, str], expected: str
) -> None:
    hub.refusal = refusal
    assert expected in client.refused()


def test_a_revision_that_does_not_exist_is_named(client: Client) -> None:
    assert "has no revision 'v9'" in client.refused("--revision", "v9")


def test_missing_files_are_all_named_and_nothing_large_is_fetched(hub: Hub, client: Client) -> None:
    del hub.files[MODEL], hub.files["tokenizer_spm_32k_3.model"]
    text = client.refused()
    assert MODEL in text and "tokenizer_spm_32k_3.model" in text
    assert names(client.folder) == {"config.json"}


def shard(hub: Hub) -> list[str]:
    """Cut the hub's language model into two shards; return their names and the index's."""
    tensors = load(hub.files.pop(MODEL))
    names = [f"model-0000{k}-of-00002.safetensors" for k in (1, 2)]
    places = {name: names[k % 2] for k, name in enumerate(sorted(tensors))}
    for place in names:
        hub.files[place] = save({n: t for n, t in tensors.items() if places[n] == place})
    hub.files[f"{MODEL}.index.json"] = json.dumps({"weight_map": places}).encode()
    return [*names, f"{MODEL}.index.json"]


def test_weights_in_shards_arrive_all(hub: Hub, client: Client) -> None:
    parts = shard(hub)
    status, out, err = client.run()
    assert status == 0, err
    assert names(client.folder) == set(hub.files) - {"README.md"} >= set(parts)
    assert f"--checkpoint {client.folder}" in out
    hub.requests.clear()
    (client.folder / parts[0]).unlink()
    assert client.run()[0] == 0
    fetched = {p.rsplit("/", 1)[-1] for m, p, _ in hub.requests if m == "GET" and "/api/" not in p}
    assert fetched == {parts[0]}


def test_a_shard_that_the_hub_lacks_is_named(hub: Hub, client: Client) -> None:
    _, second, index = shard(hub)
    del hub.files[second]
    assert f"has no {second}, which {index} names" in client.refused()
    assert names(client.folder) <= {"config.json", index}


def test_an_index_that_leads_elsewhere_fetches_nothing(hub: Hub, client: Client) -> None:
    *_, index = shard(hub)
    hub.files[index] = json.dumps({"weight_map": {"a": "../../x.safetensors"}}).encode()
    assert "it must be in a file beside the index" in client.refused()
    assert names(client.folder) <= {"config.json", index}


def test_a_repository_without_voices_is_fetched_with_a_warning(hub: Hub, client: Client) -> None:
    del hub.files[VOICES]
    status, out, err = client.run()
    assert status == 0, err
    assert "has no voices.tgz" in out


def test_content_shorter_than_stated_never_becomes_a_file(hub: Hub, client: Client) -> None:
    hub.cut[MODEL] = 100_000
    assert f"{MODEL}: the connection" in client.refused()
    assert "holds less than the" in client.refused()
    assert not client.folder.joinpath(MODEL).exists()
    hub.cut.clear()
    status, _, err = client.run()
    assert status == 0, err


def test_content_other_than_stated_is_deleted(hub: Hub, client: Client) -> None:
    hub.altered.add(MODEL)
    assert "is not what the hub states" in client.refused()
    assert not [name for name in names(client.folder) if name.startswith(MODEL)]


def test_files_that_do_not_belong_together_are_told(hub: Hub, client: Client) -> None:
    hub.files[MODEL] = hub.files[WEIGHTS[1]]
    assert "model.safetensors holds a codec (Mimi), not a" in client.refused()


def test_no_network_is_told_apart_from_a_refusal(hub: Hub, client: Client) -> None:
    client.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    text = client.refused()
    assert "connection to http://127.0.0.1:9 failed" in text and "HF_ENDPOINT" in text


def test_offline_mode_is_told(client: Client) -> None:
    client.environment["HF_HUB_OFFLINE"] = "1"
    assert "HF_HUB_OFFLINE is set" in client.refused()


def test_too_little_room_is_told_before_anything_large_is_fetched(
    hub: Hub, client: Client, tmp_path: Path
) -> None:
    free = shutil.disk_usage(tmp_path).free
    hub.files[VOICES] = _Claimed(free + 10_000_000_000)
    text = client.refused()
    assert "free, the download needs" in text
    assert names(client.folder) <= {"config.json", "mimi_config.json"}


class _Claimed(bytes):
    """Bytes that claim to be more than they are: no test fills a disk."""

    size: int

    def __new__(cls, size: int) -> _Claimed:
        content = super().__new__(cls, b"x")
        content.size = size
        return content

    def __len__(self) -> int:
        return self.size


def test_a_folder_that_cannot_be_written_is_named(client: Client) -> None:
    client.folder.write_text("a file where the folder should be")
    assert str(client.folder) in client.refused()


def test_a_repository_named_for_use_is_fetched_once_and_then_needs_no_hub(
    hub: Hub, client: Client
) -> None:
    status, first, err = client.cached()
    assert status == 0, err
    hub.requests.clear()
    status, second, err = client.cached()
    assert status == 0, err
    assert not hub.requests
    folder = Path(second.strip())
    assert first.splitlines()[-1] == str(folder)
    assert (folder / MODEL).read_bytes() == hub.files[MODEL]


def test_needed_files_are_those_that_the_configuration_names() -> None:
    names = needed_files({"moshi_name": "lm.safetensors", "mimi_config_name": "mimi.json"})
    assert names == ["lm.safetensors", WEIGHTS[1], "tokenizer_spm_32k_3.model", "mimi.json"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "hf://x/y", "a\\x"])
def test_names_that_lead_out_of_the_folder_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a file of the repository"):
        needed_files({"mimi_name": name})


def test_sizes_are_written_in_decimal_units() -> None:
    sizes = (999, 20_000, 999_999, 16_736_000_000)
    assert [readable(n) for n in sizes] == ["999 B", "20.0 kB", "1.0 MB", "16.7 GB"]
