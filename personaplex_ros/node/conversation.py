"""The node's behaviour: a conversation with a life cycle, over any bus."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from personaplex_ros.audio import AudioChunk, MicrophoneIntake
from personaplex_ros.engine import PreparedPersona
from personaplex_ros.node.configured import Configured, EngineLoader, configure
from personaplex_ros.node.health.diagnostics import Diagnostics, Snapshot
from personaplex_ros.node.health.namesakes import Namesakes
from personaplex_ros.node.hosts.bus import Bus, Goal
from personaplex_ros.node.loaded import (
    LoadedModel,
    RunningConversation,
    model_snapshot,
    running_snapshot,
)
from personaplex_ros.node.loading import (
    intake_limits,
    keep_from_collector,
    release_memory,
)
from personaplex_ros.node.model_thread import MODEL_HAS_FAILED, ModelThread
from personaplex_ros.node.motion.outputs import MotionOutputs
from personaplex_ros.node.parameters.definition import State, Value
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.parameters.turn_monitor import (
    hold_parameters,
    turn_monitor,
    turn_parameters,
)
from personaplex_ros.node.recording.topic import RecordingTopic
from personaplex_ros.node.requests.answers import Handlers
from personaplex_ros.node.requests.personas import chosen_persona, persona_values
from personaplex_ros.node.requests.say_action import SAY
from personaplex_ros.node.requests.say_goals import refuse
from personaplex_ros.node.requests.services import Services
from personaplex_ros.node.requests.topics import RequestTopics
from personaplex_ros.node.state_topics import StateTopics, TurnState
from personaplex_ros.node.visits.arrivals import Arrivals
from personaplex_ros.node.visits.greeting import check_greeting
from personaplex_ros.turns import GivingWay, HoldParameters, TurnParameters

STOP_TIMEOUT_S = 5.0
"""How long deactivate waits for a frame in progress."""
REQUEST_TIMEOUT_S = 10.0
"""How long a service waits for the end of a frame."""


class Conversation:
    """Life cycle as of a ROS 2 managed node; every method may raise, with the remedy in the text.

    From construction on motion_hold, recording and diagnostics are published, and ~/say, ~/reset,
    ~/set_persona and ~/record are served, also by topic. configure() loads the model and opens
    topics, activate() starts or resumes the conversation, deactivate() pauses it, cleanup() frees
    the memory, shutdown() ends all from any state.
    """

    def __init__(
        self,
        bus: Bus,
        parameters: Parameters,
        load_engine: EngineLoader,
        release: Callable[[], None] = release_memory,
    ) -> None:
        self._bus = bus
        self._parameters = parameters
        self._load_engine = load_engine
        self._release = release
        self._lock = threading.RLock()
        self._settings_lock = threading.Lock()
        self._persona_lock = threading.Lock()
        self._configuring = False
        self._state = State.UNCONFIGURED
        self._configured: Configured | None = None
        self._running: RunningConversation | None = None
        self._stuck: ModelThread | None = None
        self._observers: list[Callable[[Mapping[str, Value]], None]] = []
        turn_parameters(parameters)
        self._motion = MotionOutputs(bus, parameters)
        self._state_topics = StateTopics(bus, parameters.hold_rate_hz, parameters.hold_timeout_s)
        self._state_topics.follow(self._follow_hold)
        self._recording = RecordingTopic(bus)
        self._namesakes = Namesakes(bus)
        self._arrivals = Arrivals(bus, parameters, self.greet)
        self._diagnostics = Diagnostics(bus, parameters.diagnostics_period_s, self._snapshot)
        self._say = bus.serve_action("~/say", SAY, self.say, self.check_goal)
        handlers = Handlers(self.reset, self.set_persona, self.record)
        self._services = Services(bus, handlers)
        self._requests = RequestTopics(bus, handlers, self.say, self.check_goal)

    @property
    def state(self) -> State:
        """Return how far the life cycle has come."""
        return self._state

    @property
    def parameters(self) -> Parameters:
        """Return the present values."""
        return self._parameters

    def follow_parameters(self, observer: Callable[[Mapping[str, Value]], None]) -> None:
        """Call ``observer`` with what the conversation changes of its parameters by itself."""
        self._observers.append(observer)

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Change parameters; raises ParameterError, and then changes none.

        Other turn parameters begin to count in silence: what was being said is not judged anew.
        """
        with self._between_transitions() as state, self._settings_lock:
            before = self._parameters
            after = before.changed(values, state)
            if self._configured is not None and after.greeting != before.greeting:
                check_greeting(self._configured.model.engine, after.greeting)
            turns = _turn_settings(after)
            turns_changed = turns != _turn_settings(before)
            self._parameters = after
            self._state_topics.hold_timeout_s = after.hold_timeout_s
            running = self._running
        if turns_changed and running is not None:
            running.thread.change_turns(*turns, REQUEST_TIMEOUT_S)

    def configure(self) -> None:
        """Open topics, load the model and prepare the persona."""
        with self._lock:
            self._expect(State.UNCONFIGURED, "configure")
            self._expect_no_stuck_model()
            with self._settings_lock:
                self._configuring = True
                parameters = self._parameters
            try:
                self._configured = configure(
                    self._bus,
                    parameters,
                    self._load_engine,
                    self._next_seed,
                    self._state_topics,
                    self._deliver,
                    self._recording,
                )
                self._state = State.INACTIVE
            finally:
                self._configuring = False

    def activate(self) -> None:
        """Start the conversation, or resume the one that was paused."""
        with self._lock:
            self._expect(State.INACTIVE, "activate")
            self._expect_no_stuck_model()
            configured = self._configured
            assert configured is not None
            parameters = self._parameters
            engine = configured.model.engine
            intake = MicrophoneIntake(
                engine.sample_rate, engine.frame_size, intake_limits(parameters)
            )
            thread = ModelThread(
                self._bus,
                configured.model.session,
                intake,
                turn_monitor(engine, parameters),
                GivingWay(engine.sample_rate, configured.model.session),
                configured.echo,
                configured.outputs,
                self._state_topics,
                frame_s=engine.frame_size / engine.sample_rate,
                parameters=lambda: self._parameters,
                seed=self._next_seed,
            )
            self._running = RunningConversation(thread, intake)
            self._state = State.ACTIVE
            keep_from_collector()
            thread.start()
            try:
                configured.source.start()
            except Exception:
                self._pause()
                raise
            if configured.voices is not None:
                configured.voices.listen(True)
            self._bus.log("info", f"active, the microphone is: {parameters.audio_source}")

    def deactivate(self) -> None:
        """Pause: the microphone is no longer heard and nothing is said."""
        with self._lock:
            self._expect(State.ACTIVE, "deactivate")
            self._pause()

    def _pause(self) -> None:
        configured = self._configured
        assert self._running is not None and configured is not None
        configured.source.stop()
        if configured.voices is not None:
            configured.voices.listen(False)
        thread = self._running.thread
        self._running = None
        self._state = State.INACTIVE
        if not thread.stop(STOP_TIMEOUT_S):
            self._stuck = thread
            self._bus.log(
                "warn", f"the model did not end its frame within {STOP_TIMEOUT_S:g} s; going on"
            )
        self._state_topics.clear()

    def cleanup(self) -> None:
        """Close topics and free the model's memory."""
        with self._lock:
            self._expect(State.INACTIVE, "clean up")
            self._unload()
        self._release()

    def shutdown(self) -> None:
        """End everything from any state; may be called twice."""
        with self._lock:
            if self._running is not None:
                self._pause()
            self._unload()
            self._say.close()
            self._services.close()
            self._requests.close()
            self._arrivals.close()
            self._diagnostics.close()
            self._namesakes.close()
            self._state_topics.close()
            self._recording.close()
            self._motion.close()
        self._release()

    def reset(self) -> str:
        """Begin a new conversation with the same persona; returns a message for the caller."""
        self._expect_not_configuring()
        with self._lock:
            model, running = self._loaded()
        self._restart(model, running, None)
        return f"began a new conversation as {model.persona.name}"

    def set_persona(self, persona: str, text_prompt: str, voice: str) -> str:
        """Begin a new conversation as another persona; the present one goes on meanwhile.

        Empty texts keep what the present persona has. The parameters tell it afterwards, so that
        the node stays so when it is cleaned up and configured. Raises what loading and preparing
        raise; then nothing has changed.
        """
        # They come from several threads, by service and by topic: each has its turn.
        with self._persona_lock:
            return self._become(persona, text_prompt, voice)

    def _become(self, persona: str, text_prompt: str, voice: str) -> str:
        self._expect_not_configuring()
        with self._lock:
            model, _ = self._loaded()
            values = persona_values(self._parameters, persona, text_prompt, voice)
        chosen = chosen_persona(persona or model.persona, text_prompt, voice)
        prepared = model.prepared
        if chosen != model.persona:
            prepared = model.engine.prepare(chosen)
        with self._lock:
            present, running = self._loaded()
            if present is not model:
                raise RuntimeError("the node was configured anew meanwhile; ask again")
        self._restart(model, running, prepared)
        with self._lock, self._settings_lock:
            model.persona, model.prepared = chosen, prepared
            self._parameters = self._parameters.changed(values, State.UNCONFIGURED)
        for observer in self._observers:
            observer(values)
        without = f", whose text is read without {prepared.left_out}" if prepared.left_out else ""
        return f"began a new conversation as {chosen.name}{without}"

    def record(self, given: bool) -> str:
        """Take or withdraw consent to recording; returns a message for the caller."""
        self._expect_not_configuring()
        configured = self._configured
        if configured is None:
            raise RuntimeError("the node is not configured")
        if configured.witness is None:
            raise RuntimeError(
                "nothing is recorded: the parameter record is off; set it to a folder and "
                "configure the node anew"
            )
        return configured.witness.allow(given)

    def greet(self, text: str) -> None:
        """Say a greeting, empty for that of the parameters, unless somebody is speaking."""
        running = self._running
        if running is None or running.thread.failed:
            why = "the node is not active" if running is None else MODEL_HAS_FAILED
            self._bus.log("warn", f"a greeting was dropped: {why}")
        else:
            running.thread.visits.greet(text)

    def check_goal(self, request: Any) -> None:
        """Raise RuntimeError or ValueError for a goal of ~/say that cannot be spoken now."""
        configured, running = self._configured, self._running
        if configured is None or running is None:
            raise RuntimeError("the node is not active")
        if running.thread.failed:
            raise RuntimeError(MODEL_HAS_FAILED)
        configured.model.engine.check_text(request.text)

    def say(self, goal: Goal) -> None:
        """Speak the sentence of a goal; one that turns out not to be possible is aborted."""
        with self._lock:
            running = self._running
        try:
            if running is None:
                raise RuntimeError("the node is not active")
            running.thread.say(goal, REQUEST_TIMEOUT_S)
        except (RuntimeError, TimeoutError) as error:
            refuse(self._bus.message(SAY), goal, str(error))

    def _restart(
        self,
        model: LoadedModel,
        running: RunningConversation | None,
        prepared: PreparedPersona | None,
    ) -> None:
        if running is None:
            self._expect_no_stuck_model()
            model.session.restart(prepared, seed=self._next_seed())
            if prepared is not None and self._configured is not None:
                self._configured.outputs.speaks_as(prepared.persona.name)
        else:
            running.thread.restart(prepared, REQUEST_TIMEOUT_S)

    def _loaded(self) -> tuple[LoadedModel, RunningConversation | None]:
        if self._configured is None:
            raise RuntimeError("the node is not configured")
        return self._configured.model, self._running

    def _deliver(self, chunk: AudioChunk, arrival_ns: int, arrived_at: float) -> None:
        running = self._running
        if running is not None:
            running.thread.audio_arrived(arrived_at)
            running.intake.accept(chunk, arrival_ns)

    def _snapshot(self) -> Snapshot:
        configured, running = self._configured, self._running
        state, motion, namesake = self._state, self._motion.snapshot(), self._namesakes.problem
        if configured is None:
            return Snapshot(state, None, None, motion, namesake=namesake)
        sink, witness = configured.sink, configured.witness
        return Snapshot(
            state,
            model_snapshot(configured.model, self._parameters.checkpoint),
            None if running is None else running_snapshot(running, configured.source),
            motion,
            "" if sink is None else sink.problem,
            namesake,
            configured.cards(active=running is not None),
            None if witness is None else witness.snapshot(),
        )

    def _next_seed(self) -> int:
        seed = self._parameters.seed
        return seed if seed >= 0 else time.time_ns() % 2**31

    def _unload(self) -> None:
        if self._configured is not None:
            self._configured.close()
            self._configured = None
        self._state = State.UNCONFIGURED

    def _follow_hold(self, state: TurnState) -> None:
        self._motion.follow(state.hold)

    @contextmanager
    def _between_transitions(self) -> Iterator[State]:
        """Wait for a transition that is under way, if it is short; yield the state.

        A node that is being configured counts as inactive: what it is made with is taken already.
        """
        if self._configuring:
            yield State.INACTIVE
        else:
            with self._lock:
                yield self._state

    def _expect_not_configuring(self) -> None:
        if self._configuring:
            raise RuntimeError("the node is being configured; ask again when that is done")

    def _expect_no_stuck_model(self) -> None:
        if self._stuck is not None and self._stuck.alive:
            raise RuntimeError(
                "the model is still busy with the last frame before the pause; "
                "wait, or end the process"
            )

    def _expect(self, state: State, what: str) -> None:
        if self._state is not state:
            raise RuntimeError(
                f"cannot {what} while {self._state.name.lower()}; it must be {state.name.lower()}"
            )


def _turn_settings(parameters: Parameters) -> tuple[TurnParameters, HoldParameters]:
    return turn_parameters(parameters), hold_parameters(parameters)
