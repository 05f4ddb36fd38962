"""The node's behaviour: a conversation with a life cycle, over any bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from personaplex_ros.audio import AudioChunk, MicrophoneIntake
from personaplex_ros.memory import keep_from_collector, release_memory
from personaplex_ros.node.configured import Configured, EngineLoader, configure
from personaplex_ros.node.health.diagnostics import Diagnostics, Snapshot
from personaplex_ros.node.health.namesakes import Namesakes
from personaplex_ros.node.hosts.bus import Bus
from personaplex_ros.node.live_parameters import LiveParameters, Observer
from personaplex_ros.node.loaded import RunningConversation, model_snapshot, running_snapshot
from personaplex_ros.node.loading import intake_limits
from personaplex_ros.node.model_thread import ModelThread
from personaplex_ros.node.motion.outputs import MotionOutputs
from personaplex_ros.node.parameters.definition import State
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.parameters.turn_monitor import turn_monitor, turn_parameters
from personaplex_ros.node.recording.topic import RecordingTopic
from personaplex_ros.node.request_handlers import RequestHandlers
from personaplex_ros.node.stage import Stage
from personaplex_ros.node.state_topics import StateTopics, TurnState
from personaplex_ros.turns import GivingWay

STOP_TIMEOUT_S = 5.0
"""How long deactivate waits for a frame in progress."""


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
        self._load_engine = load_engine
        self._release = release
        self._stage = Stage()
        turn_parameters(parameters)
        self._motion = MotionOutputs(bus, parameters)
        self._state_topics = StateTopics(bus, parameters.hold_rate_hz, parameters.hold_timeout_s)
        self._state_topics.follow(self._follow_hold)
        self._parameters = LiveParameters(parameters, self._stage, self._state_topics)
        self._recording = RecordingTopic(bus)
        self._namesakes = Namesakes(bus)
        self._requests = RequestHandlers(bus, self._stage, self._parameters)
        self._diagnostics = Diagnostics(bus, parameters.diagnostics_period_s, self._snapshot)

    @property
    def state(self) -> State:
        """Return how far the life cycle has come."""
        return self._stage.state

    @property
    def parameters(self) -> Parameters:
        """Return the present values."""
        return self._parameters.present

    def follow_parameters(self, observer: Observer) -> None:
        """Call ``observer`` with what the conversation changes of its parameters by itself."""
        self._parameters.follow(observer)

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Change parameters; raises ParameterError, and then changes none."""
        self._parameters.set(values)

    def configure(self) -> None:
        """Open topics, load the model and prepare the persona."""
        stage = self._stage
        with stage.lock:
            stage.expect(State.UNCONFIGURED, "configure")
            stage.expect_no_stuck_model()
            with self._parameters.taken_to_configure() as parameters:
                stage.configured = configure(
                    self._bus,
                    parameters,
                    self._load_engine,
                    self._parameters.next_seed,
                    self._state_topics,
                    self._deliver,
                    self._recording,
                )
                stage.state = State.INACTIVE

    def activate(self) -> None:
        """Start the conversation, or resume the one that was paused."""
        stage = self._stage
        with stage.lock:
            stage.expect(State.INACTIVE, "activate")
            stage.expect_no_stuck_model()
            configured = stage.configured
            assert configured is not None
            parameters = self._parameters.present
            stage.running = running = self._made_to_run(configured, parameters)
            stage.state = State.ACTIVE
            keep_from_collector()
            running.thread.start()
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
        with self._stage.lock:
            self._stage.expect(State.ACTIVE, "deactivate")
            self._pause()

    def cleanup(self) -> None:
        """Close topics and free the model's memory."""
        with self._stage.lock:
            self._stage.expect(State.INACTIVE, "clean up")
            self._unload()
        self._release()

    def shutdown(self) -> None:
        """End everything from any state; may be called twice."""
        with self._stage.lock:
            if self._stage.running is not None:
                self._pause()
            self._unload()
            self._requests.close()
            self._diagnostics.close()
            self._namesakes.close()
            self._state_topics.close()
            self._recording.close()
            self._motion.close()
        self._release()

    def _made_to_run(self, configured: Configured, parameters: Parameters) -> RunningConversation:
        engine, session = configured.model.engine, configured.model.session
        intake = MicrophoneIntake(engine.sample_rate, engine.frame_size, intake_limits(parameters))
        thread = ModelThread(
            self._bus,
            session,
            intake,
            turn_monitor(engine, parameters),
            GivingWay(engine.sample_rate, session),
            configured.echo,
            configured.outputs,
            self._state_topics,
            frame_s=engine.frame_size / engine.sample_rate,
            parameters=lambda: self._parameters.present,
            seed=self._parameters.next_seed,
        )
        return RunningConversation(thread, intake)

    def _pause(self) -> None:
        stage, configured, running = self._stage, self._stage.configured, self._stage.running
        assert running is not None and configured is not None
        configured.source.stop()
        if configured.voices is not None:
            configured.voices.listen(False)
        stage.running = None
        stage.state = State.INACTIVE
        if not running.thread.stop(STOP_TIMEOUT_S):
            stage.stuck = running.thread
            self._bus.log(
                "warn", f"the model did not end its frame within {STOP_TIMEOUT_S:g} s; going on"
            )
        self._state_topics.clear()

    def _unload(self) -> None:
        configured, self._stage.configured = self._stage.configured, None
        self._stage.state = State.UNCONFIGURED
        if configured is not None:
            configured.close()

    def _deliver(self, chunk: AudioChunk, arrival_ns: int, arrived_at: float) -> None:
        running = self._stage.running
        if running is not None:
            running.thread.audio_arrived(arrived_at)
            running.intake.accept(chunk, arrival_ns)

    def _follow_hold(self, state: TurnState) -> None:
        self._motion.follow(state.hold)

    def _snapshot(self) -> Snapshot:
        configured = self._stage.configured
        try:
            return self._snapshot_of(configured)
        except RuntimeError:
            if self._stage.configured is configured:
                raise
            return self._snapshot_of(None)  # it was closed meanwhile

    def _snapshot_of(self, configured: Configured | None) -> Snapshot:
        running, state = self._stage.running, self._stage.state
        motion, namesake = self._motion.snapshot(), self._namesakes.problem
        if configured is None:
            return Snapshot(state, None, None, motion, namesake=namesake)
        sink, witness = configured.sink, configured.witness
        link = configured.model.session.link
        return Snapshot(
            state,
            model_snapshot(configured.model, self._parameters.present.checkpoint),
            None if running is None else running_snapshot(running, configured.source),
            motion,
            "" if sink is None else sink.problem,
            namesake,
            configured.cards(active=running is not None),
            None if witness is None else witness.snapshot(),
            None if link is None else link.snapshot(),
        )
