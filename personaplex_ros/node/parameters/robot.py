"""What other parts of the robot are told: motion, people, diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.node.parameters.definition import When, parameter


@dataclass(frozen=True)
class RobotParameters:
    """What other parts of the robot are told: motion, people, diagnostics."""

    hold_on_suspicion: bool = parameter(
        True,
        "Whether motion_hold is true from the first suspicion of an interruption; false waits "
        "until it is confirmed.",
        When.ANY,
    )
    hold_timeout_s: float = parameter(
        8.0,
        "Longest time that motion_hold stays true after an interruption.",
        When.ANY,
        unit="s",
        minimum=0.1,
        maximum=120.0,
    )
    hold_rate_hz: float = parameter(
        10.0,
        "Rate at which motion_hold, user_speaking, robot_speaking and engaged are repeated.",
        When.STARTUP,
        unit="Hz",
        minimum=1.0,
        maximum=100.0,
    )
    speed_scaling_topic: str = parameter(
        "",
        "If not empty, where 0.0 is sent while motion is held, as "
        "control_msgs/msg/SpeedScalingFactor; for ros2_control, a controller's "
        "speed_scaling_input.",
        When.STARTUP,
    )
    speed_scaling_factor: float = parameter(
        1.0,
        "Factor sent to speed_scaling_topic when motion goes on.",
        When.STARTUP,
        minimum=0.0,
        maximum=1.0,
    )
    nav2_pause_service: str = parameter(
        "",
        "If not empty, a std_srvs/srv/Trigger service called when motion is to be held, such as "
        "that of Nav2's PauseResumeController; together with nav2_resume_service.",
        When.STARTUP,
    )
    nav2_resume_service: str = parameter(
        "",
        "The service called when motion goes on.",
        When.STARTUP,
    )
    human_voice: bool = parameter(
        False,
        "Publish the person's voice under /humans/voices as REP-155 says (needs hri_msgs).",
        When.UNCONFIGURED,
    )
    human_voice_id: str = parameter(
        "anonymous_speaker",
        "Id of that voice; there is no separation of voices.",
        When.UNCONFIGURED,
        pattern=r"[A-Za-z][A-Za-z0-9_]*",
        form="letters, digits and underscores",
    )
    human_voice_audio: bool = parameter(
        False,
        "Also publish its audio, audio_common_msgs/msg/AudioData of 24 kHz S16LE mono.",
        When.UNCONFIGURED,
    )
    diagnostics_period_s: float = parameter(
        1.0,
        "Time between two messages on /diagnostics.",
        When.STARTUP,
        unit="s",
        minimum=0.1,
        maximum=60.0,
    )
