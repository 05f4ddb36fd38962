"""The node's parameters: one table with types, defaults, ranges and the moment each may change.

Both hosts, the parameter file and its test take everything from the fields of `Parameters`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from personaplex_ros.node.audio_types import AUDIO_TYPES
from personaplex_ros.node.parameter import Parameter, ParameterError, State, Value, When


def _parameter(default: Value, description: str, when: When, **constraints: Any) -> Any:
    return field(
        default=default,
        metadata={"parameter": {"description": description, "when": when, **constraints}},
    )


_ENDPOINT: dict[str, Any] = {
    "pattern": r"topic|device(:.*\S.*)?|file:.*\S.*",
    "form": "topic, device, device:NAME or file:PATH",
}


@dataclass(frozen=True)
class Parameters:
    """A checked set of values; changes give a new set, so that threads share it without a lock."""

    checkpoint: str = _parameter(
        "nano",
        "Checkpoint: nano (bundled, small) or the folder with the model's files.",
        When.UNCONFIGURED,
        pattern=r".*\S.*",
        form="a name or a folder",
    )
    device: str = _parameter(
        "auto",
        "Where the model runs; auto takes the first GPU and falls back to the CPU.",
        When.UNCONFIGURED,
        pattern=r"auto|cpu|cuda(:\d+)?",
        form="auto, cpu, cuda or cuda:N",
    )
    dtype: str = _parameter(
        "auto",
        "Number format of the language model; auto takes bfloat16 on a GPU, float32 on a CPU.",
        When.UNCONFIGURED,
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    weights: str = _parameter(
        "auto",
        "How the language model's weights are stored: fewer bytes, faster steps. int8 or float8 on "
        "a GPU, float16 or int8 on a CPU; auto takes float16 for a small model that is stored so "
        "on a CPU, else dtype.",
        When.UNCONFIGURED,
        choices=("auto", "float16", "int8", "float8"),
    )
    admission_share: float = _parameter(
        0.75,
        "Share of a frame's time that the model's step may take with one more robot, for that "
        "robot to be configured; where several robots share one model.",
        When.UNCONFIGURED,
        minimum=0.05,
        maximum=10.0,
    )
    persona: str = _parameter(
        "receptionist",
        "Persona: name of a file in config/personas, or the path of such a file.",
        When.UNCONFIGURED,
        pattern=r".*\S.*",
        form="a name or a path",
    )
    text_prompt: str = _parameter(
        "", "If not empty, replaces the persona's text prompt.", When.UNCONFIGURED
    )
    voice: str = _parameter(
        "",
        "If not empty, replaces the persona's voice: a name, a .wav or a .pt file.",
        When.UNCONFIGURED,
    )
    seed: int = _parameter(
        -1,
        "Seed of the next conversation; -1 takes one from the clock.",
        When.ANY,
        minimum=-1,
        maximum=2**31 - 1,
    )
    greedy: bool = _parameter(
        False,
        "Take the most probable token instead of sampling.",
        When.ANY,
    )
    text_temperature: float = _parameter(
        0.7,
        "Sampling temperature of the text.",
        When.ANY,
        minimum=0.01,
        maximum=5.0,
    )
    text_top_k: int = _parameter(
        25,
        "Number of most probable text tokens to choose from.",
        When.ANY,
        minimum=1,
        maximum=32000,
    )
    audio_temperature: float = _parameter(
        0.8,
        "Sampling temperature of the speech.",
        When.ANY,
        minimum=0.01,
        maximum=5.0,
    )
    audio_top_k: int = _parameter(
        250,
        "Number of most probable audio tokens to choose from.",
        When.ANY,
        minimum=1,
        maximum=2048,
    )
    audio_source: str = _parameter(
        "topic",
        "Microphone: the topic audio_in, a sound card, or a wave file played at real speed.",
        When.UNCONFIGURED,
        **_ENDPOINT,
    )
    audio_sink: str = _parameter(
        "topic",
        "Loudspeaker: the topic audio_out only, or in addition a sound card or a wave file.",
        When.UNCONFIGURED,
        **_ENDPOINT,
    )
    audio_in_type: str = _parameter(
        "personaplex_ros/msg/AudioFrame",
        "Message type of audio_in.",
        When.UNCONFIGURED,
        choices=AUDIO_TYPES,
    )
    audio_in_rate: int = _parameter(
        0,
        "Sample rate of audio_common_msgs/AudioData and AudioDataStamped, which do not carry it; "
        "0 waits for the topic audio_in_info.",
        When.UNCONFIGURED,
        unit="Hz",
        minimum=0,
        maximum=192000,
    )
    audio_in_channels: int = _parameter(
        1,
        "Number of interleaved channels that goes with audio_in_rate.",
        When.UNCONFIGURED,
        minimum=1,
        maximum=32,
    )
    audio_out_type: str = _parameter(
        "personaplex_ros/msg/AudioFrame",
        "Message type of audio_out.",
        When.UNCONFIGURED,
        choices=AUDIO_TYPES,
    )
    frame_id: str = _parameter(
        "robot_mouth", "Coordinate frame written into published headers.", When.UNCONFIGURED
    )
    late_audio_timeout_s: float = _parameter(
        0.3,
        "Wait for microphone audio, after which silence takes its place.",
        When.ANY,
        unit="s",
        minimum=0.1,
        maximum=2.0,
    )
    max_backlog_frames: int = _parameter(
        5,
        "Waiting microphone frames of 80 ms beyond which the oldest are skipped.",
        When.INACTIVE,
        unit="frames",
        minimum=1,
        maximum=100,
    )
    max_gap_fill_s: float = _parameter(
        0.5,
        "Longest gap in the microphone's sample index that is filled with silence; "
        "after a longer one the stream starts afresh.",
        When.INACTIVE,
        unit="s",
        minimum=0.0,
        maximum=10.0,
    )
    source_timeout_s: float = _parameter(
        1.0,
        "Silence of the active microphone publisher after which another one may take over.",
        When.INACTIVE,
        unit="s",
        minimum=0.1,
        maximum=60.0,
    )
    max_model_restarts: int = _parameter(
        3,
        "Faults of the model after which the conversation is started again; "
        "at the next fault it stays silent until ~/reset.",
        When.ANY,
        minimum=0,
        maximum=1000,
    )
    user_on: float = _parameter(
        0.5,
        "Probability of speech at which the person begins to speak (Silero VAD).",
        When.ANY,
        minimum=0.01,
        maximum=1.0,
    )
    user_off: float = _parameter(
        0.35,
        "Probability of speech below which the person falls silent; at most user_on.",
        When.ANY,
        minimum=0.01,
        maximum=1.0,
    )
    user_suspect_on: float = _parameter(
        0.2,
        "Probability of speech at which the person is suspected to begin; at most user_on.",
        When.ANY,
        minimum=0.01,
        maximum=1.0,
    )
    user_suspect_s: float = _parameter(
        0.032,
        "Length of that which makes a begin, and an interruption, suspected; "
        "user_min_speech_s or more waits until it is sure.",
        When.ANY,
        unit="s",
        minimum=0.001,
        maximum=2.0,
    )
    user_min_speech_s: float = _parameter(
        0.096,
        "Speech of the person that confirms a begin.",
        When.ANY,
        unit="s",
        minimum=0.032,
        maximum=2.0,
    )
    user_end_silence_s: float = _parameter(
        0.32,
        "Silence of the person that ends a turn; shorter pauses belong to it.",
        When.ANY,
        unit="s",
        minimum=0.032,
        maximum=5.0,
    )
    echo_loss_db: float = _parameter(
        30.0,
        "How far below the robot's level the person may be while the robot speaks; softer sound is "
        "taken for the robot's echo. Less than the echo return loss of loudspeaker and microphone.",
        When.ANY,
        unit="dB",
        minimum=0.0,
        maximum=120.0,
    )
    robot_on_dbfs: float = _parameter(
        -45.0,
        "Level of the robot's own audio at which it begins to speak.",
        When.ANY,
        unit="dBFS",
        minimum=-100.0,
        maximum=0.0,
    )
    robot_off_dbfs: float = _parameter(
        -50.0,
        "Level of the robot's own audio below which it falls silent; at most robot_on_dbfs.",
        When.ANY,
        unit="dBFS",
        minimum=-100.0,
        maximum=0.0,
    )
    robot_min_speech_s: float = _parameter(
        0.06,
        "Sound of the robot that confirms a begin.",
        When.ANY,
        unit="s",
        minimum=0.02,
        maximum=2.0,
    )
    robot_end_silence_s: float = _parameter(
        0.4,
        "Silence of the robot that ends its turn and its utterance.",
        When.ANY,
        unit="s",
        minimum=0.02,
        maximum=5.0,
    )
    interruption_min_s: float = _parameter(
        0.6,
        "Speech of the person over the robot's, pauses not counted, that makes an interruption.",
        When.ANY,
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    backchannel_max_s: float = _parameter(
        1.0,
        "The same with pauses counted; at least interruption_min_s.",
        When.ANY,
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    overlap_min_s: float = _parameter(
        0.2,
        "Sound of the robot during that time that makes it an interruption, not a change of turn.",
        When.ANY,
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    robot_yield_window_s: float = _parameter(
        2.0,
        "Time from an interruption's begin in which the robot must fall silent to have yielded.",
        When.ANY,
        unit="s",
        minimum=0.1,
        maximum=30.0,
    )
    takeover_min_s: float = _parameter(
        1.0,
        "Length of the robot's speech that makes it a turn, not a backchannel.",
        When.ANY,
        unit="s",
        minimum=0.1,
        maximum=10.0,
    )
    takeover_min_words: int = _parameter(
        4,
        "Words of the robot that make its speech a turn before that length.",
        When.ANY,
        unit="words",
        minimum=1,
        maximum=100,
    )
    long_silence_s: float = _parameter(
        4.0,
        "Time in which neither speaks that is told as a long silence.",
        When.ANY,
        unit="s",
        minimum=0.5,
        maximum=600.0,
    )
    engagement_min_speech_s: float = _parameter(
        0.4,
        "Speech of the person that begins an engagement.",
        When.ANY,
        unit="s",
        minimum=0.032,
        maximum=10.0,
    )
    engagement_end_s: float = _parameter(
        20.0,
        "Time without the person's speech, and the robot's not counted, that ends an engagement; "
        "at least long_silence_s.",
        When.ANY,
        unit="s",
        minimum=0.5,
        maximum=3600.0,
    )
    hold_on_suspicion: bool = _parameter(
        True,
        "Whether motion_hold is true from the first suspicion of an interruption; false waits "
        "until it is confirmed.",
        When.ANY,
    )
    hold_timeout_s: float = _parameter(
        8.0,
        "Longest time that motion_hold stays true after an interruption.",
        When.ANY,
        unit="s",
        minimum=0.1,
        maximum=120.0,
    )
    hold_rate_hz: float = _parameter(
        10.0,
        "Rate at which motion_hold, user_speaking, robot_speaking and engaged are repeated.",
        When.STARTUP,
        unit="Hz",
        minimum=1.0,
        maximum=100.0,
    )
    speed_scaling_topic: str = _parameter(
        "",
        "If not empty, where 0.0 is sent while motion is held, as "
        "control_msgs/msg/SpeedScalingFactor; for ros2_control, a controller's "
        "speed_scaling_input.",
        When.STARTUP,
    )
    speed_scaling_factor: float = _parameter(
        1.0,
        "Factor sent to speed_scaling_topic when motion goes on.",
        When.STARTUP,
        minimum=0.0,
        maximum=1.0,
    )
    nav2_pause_service: str = _parameter(
        "",
        "If not empty, a std_srvs/srv/Trigger service called when motion is to be held, such as "
        "that of Nav2's PauseResumeController; together with nav2_resume_service.",
        When.STARTUP,
    )
    nav2_resume_service: str = _parameter(
        "",
        "The service called when motion goes on.",
        When.STARTUP,
    )
    human_voice: bool = _parameter(
        False,
        "Publish the person's voice under /humans/voices as REP-155 says (needs hri_msgs).",
        When.UNCONFIGURED,
    )
    human_voice_id: str = _parameter(
        "anonymous_speaker",
        "Id of that voice; there is no separation of voices.",
        When.UNCONFIGURED,
        pattern=r"[A-Za-z][A-Za-z0-9_]*",
        form="letters, digits and underscores",
    )
    human_voice_audio: bool = _parameter(
        False,
        "Also publish its audio, audio_common_msgs/msg/AudioData of 24 kHz S16LE mono.",
        When.UNCONFIGURED,
    )
    diagnostics_period_s: float = _parameter(
        1.0,
        "Time between two messages on /diagnostics.",
        When.STARTUP,
        unit="s",
        minimum=0.1,
        maximum=60.0,
    )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Parameters:
        """Return the defaults with `values`; raises ParameterError that lists every problem."""
        return cls()._with(values)

    def changed(self, values: Mapping[str, Any], state: State) -> Parameters:
        """Return a copy with `values`, for a node in `state`.

        Raises ParameterError listing every unknown name, unusable value and value that may not
        change now; a value that stays the same is always accepted.
        """
        result = self._with(values)
        late = [
            f"{p.name} can only be {p.when.value}; {_REMEDY[p.when]}"
            for p in PARAMETERS
            if not p.when.allowed(state) and getattr(result, p.name) != getattr(self, p.name)
        ]
        if late:
            raise ParameterError("; ".join(late))
        return result

    def as_dict(self) -> dict[str, Value]:
        """Return all values by name."""
        return asdict(self)

    def _with(self, values: Mapping[str, Any]) -> Parameters:
        checked: dict[str, Any] = {}
        problems: list[str] = []
        for name, value in values.items():
            try:
                checked[name] = lookup(name).check(value)
            except ParameterError as error:
                problems.append(str(error))
        if problems:
            raise ParameterError("; ".join(problems))
        return replace(self, **checked)


_REMEDY = {
    When.STARTUP: "put it into the parameter file and start the node again",
    When.UNCONFIGURED: "deactivate and clean up the node first",
    When.INACTIVE: "deactivate the node first",
}

PARAMETERS: tuple[Parameter, ...] = tuple(
    Parameter(name=f.name, default=getattr(Parameters(), f.name), **f.metadata["parameter"])
    for f in fields(Parameters)
)
_BY_NAME = {p.name: p for p in PARAMETERS}


def lookup(name: str) -> Parameter:
    """Return the table's entry for `name`; raises ParameterError with the nearest names."""
    try:
        return _BY_NAME[name]
    except KeyError:
        near = difflib.get_close_matches(name, _BY_NAME, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see config/personaplex.yaml"
        raise ParameterError(f"there is no parameter {name}; {hint}") from None
