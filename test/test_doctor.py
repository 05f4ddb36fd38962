"""The doctor: every situation gets its line, and the arithmetic is that of the published model."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from dds_support import loopback
from reference import REFERENCE, needs_reference

from personaplex_ros.checkpoint import CheckpointFiles
from personaplex_ros.checkpoint.inspection import ModelSizes
from personaplex_ros.cli import main
from personaplex_ros.doctor import Finding, Section, Setup, Status
from personaplex_ros.doctor import dds as dds_check
from personaplex_ros.doctor import ros as ros_check
from personaplex_ros.doctor import sound as sound_check
from personaplex_ros.doctor import weights as weights_check
from personaplex_ros.doctor.accelerator import check as accelerator_check
from personaplex_ros.doctor.examination import guarded
from personaplex_ros.doctor.memory import judge as judge_memory
from personaplex_ros.doctor.memory import other_types, smallest_gpu
from personaplex_ros.doctor.pace import FrameTime, bound_by_memory, frame_time, judge_frames
from personaplex_ros.doctor.pace import judge as judge_pace
from personaplex_ros.doctor.page import as_data, ready, render, verdict
from personaplex_ros.doctor.personas import check as personas_check
from personaplex_ros.doctor.sizes import measure
from personaplex_ros.doctor.sizes.chosen import Chosen, chosen_model
from personaplex_ros.doctor.sizes.cost import Cost, cost
from personaplex_ros.doctor.sizes.frames import MeasuredFrames, measured_frames
from personaplex_ros.doctor.system import processor, python
from personaplex_ros.engine import Engine, Persona
from personaplex_ros.lm import LMConfig
from personaplex_ros.mimi import MimiConfig
from personaplex_ros.resources import share_directory

pytestmark = pytest.mark.alone

ROOT = Path(__file__).resolve().parent.parent
NANO = share_directory() / "checkpoints" / "nano"
PUBLISHED = cost(LMConfig(), MimiConfig(), 2, 2)  # bfloat16
GB = 1e9


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the bundled checkpoint, to be broken."""
    return Path(shutil.copytree(NANO, tmp_path / "copy"))


# What a frame costs: the figures of MODEL.md, and the published files' own sizes.


def test_a_frame_of_the_published_model_reads_14_7_to_16_3_gb() -> None:
    assert PUBLISHED.frame(0) / GB == pytest.approx(14.7, abs=0.1)
    assert PUBLISHED.frame(3000) / GB == pytest.approx(16.3, abs=0.1)
    assert PUBLISHED.frame(10_000) == PUBLISHED.frame(3000)


def test_a_past_frame_takes_half_a_megabyte_and_the_full_context_1_57_gb() -> None:
    assert PUBLISHED.cache_frame == 524_288
    assert PUBLISHED.cache / GB == pytest.approx(1.57, abs=0.005)


def test_eight_bit_weights_halve_what_is_read_but_not_the_cache() -> None:
    byte = cost(LMConfig(), MimiConfig(), 1, 2)
    assert byte.frame(0) / PUBLISHED.frame(0) == pytest.approx(0.5, abs=0.001)
    assert byte.cache == PUBLISHED.cache


@needs_reference
def test_weights_are_those_of_the_published_file_less_the_steps_of_the_user() -> None:
    layout = json.loads((REFERENCE / "checkpoint_layout.json").read_text())
    everything, held = 0, 0
    for name, (shape, _) in layout["model.safetensors"].items():
        size = math.prod(shape) * (4 if "norm" in name else 2)
        everything += size
        step = re.match(r"(linears|depformer_in|depformer\.layers\.\d+\.gating)\.(\d+)\.", name)
        embedding = re.match(r"depformer_emb\.(\d+)", name)
        if re.search(r"depformer\.layers\.\d+\.self_attn", name):
            held += size // 2
        elif not (step and int(step[2]) >= 8) and not (embedding and int(embedding[1]) >= 7):
            held += size
    assert everything / GB == pytest.approx(16.7, abs=0.05)
    assert PUBLISHED.weights == held
    assert 15 < PUBLISHED.weights / GB < everything / GB


@needs_reference
def test_the_codec_is_as_large_as_its_published_file() -> None:
    layout = json.loads((REFERENCE / "checkpoint_layout.json").read_text())
    tensors = layout["tokenizer-e351c8d8-checkpoint125.safetensors"].values()
    assert PUBLISHED.codec == sum(math.prod(shape) * 4 for shape, _ in tensors)


def test_the_bound_on_an_h200_is_that_of_the_published_estimate() -> None:
    chosen = Chosen(chosen_model("/nowhere").sizes, "published")
    finding = bound_by_memory(chosen, torch.bfloat16, 4.3e12)
    assert "at least 3.4 to 3.8 ms" in finding.found
    assert "4,300 GB/s" in finding.found


# Measurements, against what is measured in another way.


def test_measured_bandwidth_is_near_that_of_a_copy_by_numpy() -> None:
    source = np.ones(1 << 26)
    target = np.empty_like(source)
    best = math.inf
    for _ in range(4):
        start = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - start)
    copied = 2 * source.nbytes / best
    assert copied / 4 < measure.bandwidth(torch.device("cpu"), torch.float32) < copied * 4


def test_the_expected_time_of_a_frame_is_near_the_engine_s_own() -> None:
    expected = frame_time(chosen_model("nano"), torch.device("cpu"), torch.float32)
    session = Engine.load("nano", device="cpu").open(Persona("nobody"))
    frame = np.zeros(1920, np.float32)
    frames = [session.push(frame).timing for _ in range(40)]
    fastest = min(timing.total for timing in frames)
    assert fastest / 3 < expected.total < fastest * 3


def median_of_frames() -> float:
    """Return the seconds of a frame of nano in a conversation."""
    session = Engine.load("nano", device="cpu").open(Persona("nobody"))
    noise = 0.05 * np.random.default_rng(1).standard_normal((100, 1920))
    return float(np.median([session.push(f.astype(np.float32)).timing.total for f in noise]))


def test_on_a_machine_that_is_busy_frames_take_what_they_take_in_a_conversation() -> None:
    threads = torch.get_num_threads()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        frames = measured_frames("nano", torch.device("cpu"))
        assert torch.get_num_threads() == threads
        taken = median_of_frames()
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert frames is not None
    assert taken / 2 < frames.median < taken * 2
    assert frames.p99 >= frames.median > sum(frames.parts.values()) / 2


def test_a_checkpoint_that_is_not_there_is_not_run(tmp_path: Path) -> None:
    assert measured_frames(str(tmp_path / "none"), torch.device("cpu")) is None


# Situations and their lines.


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ((3, 9, 2), Status.FAIL),
        ((3, 10, 0), Status.OK),
        ((3, 14, 2), Status.OK),
        ((3, 15, 0), Status.WARN),
    ],
)
def test_python_of_humble_to_lyrical_is_needed(version: tuple[int, ...], status: Status) -> None:
    assert python(version).status is status


def test_a_single_core_is_a_warning() -> None:
    assert processor(1, "aarch64").status is Status.WARN
    assert processor(2, "aarch64").status is Status.OK


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_does_not_exist_fails_and_says_what_to_take(device: str) -> None:
    finding = accelerator_check(Setup("nano", device))[-1]
    assert finding.status is Status.FAIL
    assert device in finding.found and finding.remedy


def test_a_checkpoint_that_is_absent_fails_with_the_command_that_fetches_it() -> None:
    (finding,) = weights_check.check(Setup("/nowhere/at/all", "cpu"))
    assert finding.status is Status.FAIL
    assert "/nowhere/at/all" in finding.found and finding.command == "personaplex download"


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (finding,) = weights_check.check(Setup(str(copy), "cpu"))
    assert finding.status is Status.FAIL and "model.safetensors" in finding.found


def test_a_file_cut_short_is_found_by_its_header(copy: Path) -> None:
    os.truncate(copy / "model.safetensors", 1_000_000)
    (finding,) = weights_check.check(Setup(str(copy), "cpu"))
    assert finding.status is Status.FAIL
    assert "model.safetensors is not a complete" in finding.found
    assert finding.command == f"personaplex download {copy}"


def test_a_configuration_of_another_model_is_found(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "delays": [0, 1]}))
    (finding,) = weights_check.check(Setup(str(copy), "cpu"))
    assert finding.status is Status.FAIL and "2 `delays` for 17" in finding.found


def test_a_tokenizer_that_is_none_is_found(copy: Path) -> None:
    (copy / "tokenizer_spm_32k_3.model").write_bytes(b"not a model")
    (finding,) = weights_check.check(Setup(str(copy), "cpu"))
    assert finding.status is Status.FAIL and "SentencePiece" in finding.found


def test_a_complete_checkpoint_states_its_size() -> None:
    (finding,) = weights_check.check(Setup("nano", "cpu"))
    assert finding.status is Status.OK
    files = CheckpointFiles.find("nano")  # the listening head is loaded where it is wanted only
    stored = files.model.stat().st_size + files.mimi.stat().st_size
    assert finding.values["bytes"] == stored


def test_every_bundled_persona_has_its_voice_in_the_bundled_checkpoint() -> None:
    (finding,) = personas_check(Setup("nano", "cpu"))
    assert finding.status is Status.OK and "receptionist" in finding.found


def test_a_voice_that_is_missing_is_named_with_its_persona(copy: Path) -> None:
    for form in ("pt", "wav"):
        (copy / "voices" / f"NATF2.{form}").unlink()
    (finding,) = personas_check(Setup(str(copy), "cpu"))
    assert finding.status is Status.WARN
    assert "receptionist: no voice 'NATF2'" in finding.found and "teacher" not in finding.found


def test_a_moshi_checkpoint_needs_no_voices(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "moshi"}))
    shutil.rmtree(copy / "voices")
    (finding,) = personas_check(Setup(str(copy), "cpu"))
    assert finding.status is Status.OK and "Moshi" in finding.found


def test_memory_is_judged_by_what_is_free() -> None:
    needed = PUBLISHED.held
    assert 17 * GB < needed < 19 * GB
    judged = [judge_memory(PUBLISHED, *sizes, "it") for sizes in (
        (needed, 2 * needed), (needed - 1, needed), (needed // 3, needed // 2),
    )]  # fmt: skip
    assert [finding.status for finding in judged] == [Status.OK, Status.FAIL, Status.FAIL]
    assert "end other programs" in judged[1].remedy and "end other" not in judged[2].remedy


@pytest.mark.parametrize(
    ("seconds", "status", "said"),
    [
        (0.020, Status.OK, "it keeps up, 4.0 x real time: 20 of 80 ms"),
        (0.070, Status.WARN, "with little reserve"),
        (0.160, Status.FAIL, "it will not keep up, 0.5 x real time"),
    ],
)
def test_pace_is_judged_against_the_time_that_a_frame_lasts(
    seconds: float, status: Status, said: str
) -> None:
    finding = judge_pace(FrameTime(seconds / 2, seconds / 4, 0, seconds / 4), 0.08, "it")
    assert finding.status is status and said in finding.found


@pytest.mark.parametrize(
    ("median", "p99", "status", "said"),
    [
        (0.020, 0.040, Status.OK, "it keeps up, 4.0 x real time: 20 of 80 ms a frame, measured"),
        (0.020, 0.090, Status.WARN, "it keeps up with little reserve, 4.0 x real time"),
        (0.100, 0.300, Status.FAIL, "it will not keep up, 0.8 x real time"),
    ],
)
def test_frames_that_were_run_are_judged_by_the_usual_and_the_slow_ones(
    median: float, p99: float, status: Status, said: str
) -> None:
    finding = judge_frames(MeasuredFrames({"decode": median}, median, p99), 0.08, "it")
    assert finding.status is status and said in finding.found


def test_a_missing_portaudio_names_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    (finding,) = sound_check.check(Setup("nano", "cpu"))
    assert finding.status is Status.WARN
    assert finding.command == "sudo apt install libportaudio2"


def test_no_ros_is_no_problem_but_services_need_the_same_middleware() -> None:
    assert ros_check.client("", False, "No module named 'rclpy'", False).status is Status.OK
    finding = ros_check.middleware({}, sourced=False)
    assert finding.status is Status.OK and "rmw_cyclonedds_cpp" in finding.found


def test_a_sourced_ros_for_another_python_is_a_warning() -> None:
    finding = ros_check.client("jazzy", True, "No module named 'rclpy._rclpy'", False)
    assert finding.status is Status.WARN
    assert "ROS 2 jazzy" in finding.found and "--system-site-packages" in finding.command


def test_a_workspace_that_is_not_built_says_how_to() -> None:
    finding = ros_check.client("humble", True, "", False)
    assert finding.status is Status.WARN and finding.command.startswith("colcon build")
    assert ros_check.client("humble", True, "", True).status is Status.OK


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("rmw_cyclonedds_cpp", Status.OK, "services cross"),
        ("rmw_fastrtps_cpp", Status.WARN, "services and actions do not"),
        ("", Status.WARN, "rmw_fastrtps_cpp"),
        ("rmw_zenoh_cpp", Status.OK, "all crosses"),
    ],
)
def test_services_do_not_cross_middlewares(name: str, status: Status, said: str) -> None:
    environment = {"RMW_IMPLEMENTATION": name, "ROS_DISTRO": "jazzy"}
    finding = ros_check.middleware(environment, sourced=True)
    assert finding.status is status and said in finding.found
    assert status is Status.OK or "ros-jazzy-rmw-cyclonedds-cpp" in finding.remedy


def test_a_participant_can_be_made_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    finding = dds_check.participant(os.environ)
    assert finding.status is Status.OK and os.environ["ROS_DOMAIN_ID"] in finding.found


def test_an_interface_that_does_not_exist_fails_with_a_setting_that_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loopback(monkeypatch)
    monkeypatch.setenv("CYCLONEDDS_URI", os.environ["CYCLONEDDS_URI"].replace('"lo"', '"wrong0"'))
    finding = dds_check.participant(os.environ)
    assert finding.status is Status.FAIL and 'name="lo"' in finding.command


def test_a_domain_that_does_not_exist_is_named() -> None:
    finding = dds_check.participant({"ROS_DOMAIN_ID": "999"})
    assert finding.status is Status.FAIL and "999" in finding.found


def test_what_others_can_hear_depends_on_the_interfaces() -> None:
    lo = dds_check.Interface("lo", "127.0.0.1", False, True)
    wired = dds_check.Interface("eth0", "10.0.0.2", True, False)
    tunnel = dds_check.Interface("wg0", "10.9.0.2", False, False)
    alone = dds_check.network([lo], {})
    assert alone.status is Status.WARN and 'name="lo" multicast="true"' in alone.command
    assert dds_check.network([lo, tunnel, wired], {}).found == "multicast on eth0 (10.0.0.2)"
    assert "ROS_STATIC_PEERS" in dds_check.network([lo, tunnel], {}).command
    assert dds_check.network([lo], {"CYCLONEDDS_URI": "<x/>"}).status is Status.OK


def test_the_loopback_interface_of_this_machine_is_seen() -> None:
    found = {i.name: i for i in dds_check.interfaces()}
    assert found["lo"].loopback and found["lo"].address == "127.0.0.1"


# The page.


def test_a_check_that_breaks_is_a_line_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*arguments: object) -> None:
        raise OSError("the disk is gone\nand more")

    monkeypatch.setattr("personaplex_ros.doctor.weights.CheckpointFiles.find", breaks)
    assert guarded("weights", Setup("nano", "cpu")) == [
        Finding("Weights", Status.FAIL, "OSError: the disk is gone")
    ]


def test_a_broken_torch_leaves_a_complete_page(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12 is missing')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    result = subprocess.run(
        [sys.executable, "-m", "personaplex_ros", "doctor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1, result.stderr
    assert "FAIL  Accelerator  libcudart.so.12 is missing" in result.stdout
    assert "ROS and DDS" in result.stdout and "Traceback" not in result.stderr


SECTIONS = [
    Section("Machine", [Finding("Python", Status.OK, "3.11"), Finding("Pace", Status.WARN, "s")]),
    Section(
        "DDS",
        [Finding("Network", Status.FAIL, "loop " * 40, "set " * 40, dds_check.LOOPBACK_ONLY)],
    ),
]


@pytest.mark.parametrize("columns", [80, 120])
def test_lines_fit_the_terminal_and_commands_stay_whole(columns: int) -> None:
    page = render(SECTIONS, Setup("nano", "cpu"), columns, colour=False)
    assert dds_check.LOOPBACK_ONLY in page
    others = [line for line in page.splitlines() if dds_check.LOOPBACK_ONLY not in line]
    assert max(map(len, others)) <= min(columns, 100)
    assert all(len(line) == len(line.rstrip()) for line in others)
    assert "\033" not in page
    assert "\033[31mFAIL" in render(SECTIONS, Setup("nano", "cpu"), columns, colour=True)


def test_the_verdict_names_what_is_in_the_way() -> None:
    assert verdict(SECTIONS) == "Not ready: Network." and not ready(SECTIONS)
    assert verdict(SECTIONS[:1]) == "Ready. Worth a look: Pace." and ready(SECTIONS[:1])


def test_the_data_hold_all_findings() -> None:
    data = as_data(SECTIONS, Setup("nano", "cpu"))
    assert data["ready"] is False
    assert [f["status"] for f in data["findings"]] == ["OK", "WARN", "FAIL"]


def test_the_command_writes_its_file_and_fails_when_anything_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loopback(monkeypatch)
    file = tmp_path / "page.json"
    status = main(["doctor", "--device", "cuda:99", "--json", str(file)])
    page = capsys.readouterr().out
    data = json.loads(file.read_text())
    assert status == 1 and data["ready"] is False
    for finding in data["findings"]:
        assert f"{finding['status']:<4}  {finding['subject']}" in page


def test_a_machine_that_works_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loopback(monkeypatch)
    status = main(["doctor", "--device", "cpu", "--json", str(tmp_path / "page.json")])
    data = json.loads((tmp_path / "page.json").read_text())
    failed = [finding for finding in data["findings"] if finding["status"] == "FAIL"]
    assert (status, failed) == (0, [])
    assert "Ready" in capsys.readouterr().out
    pace = {f["subject"]: f["values"] for f in data["findings"]}["Pace"]
    assert 0 < pace["frame_seconds"] < pace["period_seconds"] == 0.08


def test_colour_is_for_terminals_that_want_it() -> None:
    command = "from personaplex_ros.cli import main; main(['doctor', '--device', 'cuda:99'])"
    plain = _in_terminal(command, {"NO_COLOR": "1"})
    coloured = _in_terminal(command, {})
    assert "Not ready" in plain and "\033[" not in plain
    assert "\033[31mFAIL" in coloured


def _in_terminal(program: str, extra: dict[str, str]) -> str:
    """Run a Python program on a pseudo terminal and return what it writes there."""
    leader, follower = os.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=follower,
        stderr=subprocess.STDOUT,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), **extra},
    )
    os.close(follower)
    written = b""
    try:
        while block := os.read(leader, 4096):
            written += block
    except OSError:  # the terminal's other side was closed
        pass
    child.wait(60)
    os.close(leader)
    return written.decode()


def test_a_cost_is_the_sum_of_its_parts() -> None:
    needed = Cost(weights=10, read=8, cache_frame=2, context=3, codec=5, prompt=1)
    assert needed.cache == 6
    assert needed.held == 10 + 6 + 5 + needed.working
    assert [needed.frame(past) for past in (0, 2, 9)] == [8, 12, 14]


def test_8_bits_fit_a_smaller_gpu_than_16() -> None:
    text = other_types(Chosen(ModelSizes(LMConfig(), MimiConfig()), "it")).found
    assert "18.4 GB (a GPU of 24 GB)" in text and "11.0 GB (a GPU of 16 GB)" in text
    assert smallest_gpu(10**12) == "no single GPU"


def test_what_8_bits_hold_is_a_byte_a_weight_and_tables_as_they_are() -> None:
    half, byte = cost(LMConfig(), MimiConfig(), 2, 2), cost(LMConfig(), MimiConfig(), 1, 2)
    # Published sizes: rows of text and audio in both transformers, 2 bytes each.
    tables = 2 * ((32_001 + 16 * 2049) * 4096 + (32_001 + 7 * 2049) * 1024)
    assert half.weights - half.read == byte.weights - byte.read == tables
    assert half.read == pytest.approx(2 * byte.read, rel=1e-3)
