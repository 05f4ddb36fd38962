"""What configuring a node opens and loads, all of it or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from personaplex_ros.conversing import AnyEngine
from personaplex_ros.node.health.cards import CardSnapshot
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.loaded import LoadedModel
from personaplex_ros.node.loading import sampling_of
from personaplex_ros.node.outputs import AudioSink, Outputs
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.recording.topic import RecordingTopic
from personaplex_ros.node.recording.witness import Witness, recordings
from personaplex_ros.node.requests.personas import chosen_persona
from personaplex_ros.node.sound.echo import OwnEcho
from personaplex_ros.node.sound.endpoints import AudioSource, check_sink, open_sink, open_source
from personaplex_ros.node.sound.human_voices import HumanVoices
from personaplex_ros.node.sound.microphone_topic import Deliver
from personaplex_ros.node.state_topics import StateTopics, TurnState
from personaplex_ros.node.visits.greeting import check_greeting

EngineLoader = Callable[[Parameters], AnyEngine]


@dataclass
class Configured:
    """A loaded model with its conversation, its microphone and where it speaks."""

    model: LoadedModel
    source: AudioSource
    outputs: Outputs
    sink: AudioSink | None
    voices: HumanVoices | None
    witness: Witness | None
    echo: OwnEcho
    _resources: ExitStack

    def cards(self, active: bool) -> tuple[CardSnapshot, ...]:
        """Return what is known of the sound cards in use; a paused node holds no microphone."""
        used = (
            self.source.card if active else None,
            None if self.sink is None else self.sink.card,
        )
        return tuple(card for card in used if card is not None)

    def close(self) -> None:
        """Close topics and devices, and give the model's slot back."""
        self._resources.close()


def configure(
    bus: Bus,
    parameters: Parameters,
    load_engine: EngineLoader,
    seed: Callable[[], int],
    state_topics: StateTopics,
    deliver: Deliver,
    recording: RecordingTopic,
) -> Configured:
    """Open topics, load the model and prepare the persona.

    Raises what tells why something cannot be had; then nothing stays open.
    """
    with ExitStack() as resources:
        # The cheap checks come first: loading can take a minute.
        persona = chosen_persona(parameters.persona, parameters.text_prompt, parameters.voice)
        check_sink(parameters)
        archive = recordings(parameters)
        source = open_source(bus, parameters, deliver)
        resources.callback(source.close)
        voices = None
        if parameters.human_voice:
            voices = _open_voices(bus, parameters, state_topics, resources)
        started = time.monotonic()
        engine = load_engine(parameters)
        prepared = engine.prepare(persona)
        session = engine.open(prepared, sampling_of(parameters), seed())
        resources.callback(session.close)
        if engine.admitted:
            bus.log("info", f"the model is shared; {engine.admitted}")
        echo = OwnEcho(bus, engine.sample_rate, engine.frame_size, parameters)
        sink = open_sink(bus, parameters, engine.sample_rate, echo.played_by_card)
        if sink is not None:
            resources.callback(sink.close)
        model = LoadedModel(engine, session, persona, prepared)
        witness = None
        if archive is not None:
            witness = Witness(bus, archive, parameters, engine.sample_rate, persona.name, recording)
            resources.callback(witness.close)
        outputs = Outputs(
            bus,
            audio_type=parameters.audio_out_type,
            rate=engine.sample_rate,
            frame_id=parameters.frame_id,
            sink=sink,
            voices=voices,
            witness=witness,
            user_transcript=parameters.user_transcript,
        )
        resources.callback(outputs.close)
        if parameters.presence_topic:
            try:
                check_greeting(engine, parameters.greeting)
            except ParameterError as error:
                bus.log("warn", f"nobody will be greeted: {error}")
        if prepared.left_out:
            bus.log("warn", f"the text prompt is read without {prepared.left_out}")
        bus.log("info", _ready(parameters, engine, persona.name, time.monotonic() - started))
        return Configured(model, source, outputs, sink, voices, witness, echo, resources.pop_all())


def _ready(parameters: Parameters, engine: AnyEngine, persona: str, taken_s: float) -> str:
    if parameters.engine:
        return f"talks as {persona} with the model at {engine.device}"
    startup = engine.startup
    return (
        f"loaded checkpoint {parameters.checkpoint} with persona {persona} in {taken_s:.1f} s "
        f"(weights {startup.load_s:.1f} s, warm-up {startup.warm_up_s:.1f} s)"
    )


def _open_voices(
    bus: Bus, parameters: Parameters, state_topics: StateTopics, resources: ExitStack
) -> HumanVoices:
    voices = HumanVoices(bus, parameters.human_voice_id, audio=parameters.human_voice_audio)
    resources.callback(voices.close)

    def follow(state: TurnState) -> None:
        voices.follow(state.user_speaking)

    state_topics.follow(follow)
    resources.callback(state_topics.unfollow, follow)
    return voices
