"""When somebody speaks, interrupts, has the floor or is engaged."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.node.parameters.definition import When, parameter


@dataclass(frozen=True)
class TurnTakingParameters:
    """When somebody speaks, interrupts, has the floor or is engaged."""

    user_on: float = parameter(
        0.5,
        "Probability of speech at which the person begins to speak (Silero VAD).",
        When.ANY,
        minimum=0.01,
        maximum=1.0,
    )
    user_off: float = parameter(
        0.35,
        "Probability of speech below which the person falls silent; at most user_on.",
        When.ANY,
        minimum=0.01,
        maximum=1.0,
    )
    user_suspect_on: float = parameter(
        0.2,
        "Probability of speech at which the person is suspected to begin; at most user_on.",
        When.ANY,
        minimum=0.01,
        maximum=1.0,
    )
    user_suspect_s: float = parameter(
        0.032,
        "Length of that which makes a begin, and an interruption, suspected; "
        "user_min_speech_s or more waits until it is sure.",
        When.ANY,
        unit="s",
        minimum=0.001,
        maximum=2.0,
    )
    user_min_speech_s: float = parameter(
        0.096,
        "Speech of the person that confirms a begin.",
        When.ANY,
        unit="s",
        minimum=0.032,
        maximum=2.0,
    )
    user_end_silence_s: float = parameter(
        0.32,
        "Silence of the person that ends a turn; shorter pauses belong to it.",
        When.ANY,
        unit="s",
        minimum=0.032,
        maximum=5.0,
    )
    user_finished_on: float = parameter(
        1.1,
        "Probability that the person's turn is over, by how it was said, at which user_finished "
        "tells it, such as 0.85; above 1 only silence and the robot's answer do.",
        When.ANY,
        minimum=0.05,
        maximum=1.1,
    )
    user_finished_silence_s: float = parameter(
        1.2,
        "Silence of the person after which user_finished tells that the turn is over, where the "
        "robot has not begun to answer before.",
        When.ANY,
        unit="s",
        minimum=0.032,
        maximum=10.0,
    )
    background_share: float = parameter(
        0.4,
        "Share of the robot's speech in which somebody else is heard, from which on that is a "
        "television or the like and only who is louder is heard; above 1 nothing is.",
        When.ANY,
        minimum=0.1,
        maximum=1.1,
    )
    echo_loss_db: float = parameter(
        30.0,
        "How far below the robot's level the person may be while the robot speaks; softer sound is "
        "taken for the robot's echo. Less than the echo return loss of loudspeaker and microphone.",
        When.ANY,
        unit="dB",
        minimum=0.0,
        maximum=120.0,
    )
    robot_on_dbfs: float = parameter(
        -45.0,
        "Level of the robot's own audio at which it begins to speak.",
        When.ANY,
        unit="dBFS",
        minimum=-100.0,
        maximum=0.0,
    )
    robot_off_dbfs: float = parameter(
        -50.0,
        "Level of the robot's own audio below which it falls silent; at most robot_on_dbfs.",
        When.ANY,
        unit="dBFS",
        minimum=-100.0,
        maximum=0.0,
    )
    robot_min_speech_s: float = parameter(
        0.06,
        "Sound of the robot that confirms a begin.",
        When.ANY,
        unit="s",
        minimum=0.02,
        maximum=2.0,
    )
    robot_end_silence_s: float = parameter(
        0.4,
        "Silence of the robot that ends its turn and its utterance.",
        When.ANY,
        unit="s",
        minimum=0.02,
        maximum=5.0,
    )
    interruption_min_s: float = parameter(
        0.6,
        "Speech of the person over the robot's, pauses not counted, that makes an interruption.",
        When.ANY,
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    backchannel_max_s: float = parameter(
        1.0,
        "The same with pauses counted; at least interruption_min_s.",
        When.ANY,
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    overlap_min_s: float = parameter(
        0.2,
        "Sound of the robot during that time that makes it an interruption, not a change of turn.",
        When.ANY,
        unit="s",
        minimum=0.0,
        maximum=5.0,
    )
    robot_yield_window_s: float = parameter(
        2.0,
        "Time from an interruption's begin in which the robot must fall silent to have yielded.",
        When.ANY,
        unit="s",
        minimum=0.1,
        maximum=30.0,
    )
    yield_: str = parameter(
        "model",
        "Who makes the robot give way when it is interrupted: the model by itself, or the node "
        "(assist) where the model talks on: it fades the robot's sound and keeps the model silent.",
        When.ANY,
        choices=("model", "assist"),
    )
    yield_after_s: float = parameter(
        0.3,
        "With yield assist: for how long both may sound after an interruption is confirmed.",
        When.ANY,
        unit="s",
        minimum=0.0,
        maximum=10.0,
    )
    takeover_min_s: float = parameter(
        1.0,
        "Length of the robot's speech that makes it a turn, not a backchannel.",
        When.ANY,
        unit="s",
        minimum=0.1,
        maximum=10.0,
    )
    takeover_min_words: int = parameter(
        4,
        "Words of the robot that make its speech a turn before that length.",
        When.ANY,
        unit="words",
        minimum=1,
        maximum=100,
    )
    long_silence_s: float = parameter(
        4.0,
        "Time in which neither speaks that is told as a long silence.",
        When.ANY,
        unit="s",
        minimum=0.5,
        maximum=600.0,
    )
    engagement_min_speech_s: float = parameter(
        0.4,
        "Speech of the person that begins an engagement.",
        When.ANY,
        unit="s",
        minimum=0.032,
        maximum=10.0,
    )
    engagement_end_s: float = parameter(
        20.0,
        "Time without the person's speech, and the robot's not counted, that ends an engagement; "
        "at least long_silence_s.",
        When.ANY,
        unit="s",
        minimum=0.5,
        maximum=3600.0,
    )
