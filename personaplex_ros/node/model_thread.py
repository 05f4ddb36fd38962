"""The thread in which the model runs, paced by the microphone's samples."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.audio import MicrophoneFrame, MicrophoneIntake
from personaplex_ros.audio.echo import EchoFrame
from personaplex_ros.conversing import AnyPrepared, AnySession, Sampling, StepResult
from personaplex_ros.node.health.echo import EchoSnapshot
from personaplex_ros.node.health.timing import FrameStatistics
from personaplex_ros.node.hosts.bus import Bus, Goal
from personaplex_ros.node.hosts.messages import NS_PER_S
from personaplex_ros.node.loading import sampling_of
from personaplex_ros.node.outputs import Outputs
from personaplex_ros.node.pace import Pace
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.node.reach import Reach
from personaplex_ros.node.requests.queue import RequestQueue
from personaplex_ros.node.requests.say_goals import SayGoals
from personaplex_ros.node.sound.echo import OwnEcho
from personaplex_ros.node.state_topics import StateTopics, TurnState
from personaplex_ros.node.visits.visits import Visits
from personaplex_ros.remedies import described
from personaplex_ros.turns import (
    GivingWay,
    HoldParameters,
    TurnMonitor,
    TurnParameters,
    TurnUpdate,
)
from personaplex_ros.turns.events import ROBOT_SILENCED, ROBOT_YIELDED
from personaplex_ros.turns.parameters import ASSIST

WAKE_UP_S = 0.05
"""Longest wait for audio before requests and the end are looked after."""
STALLED_S = 2.0
"""Time without a round of the thread after which it counts as stuck."""

Sound = NDArray[np.float32]

MODEL_HAS_FAILED = "the model has failed; mend the cause and call ~/reset"


class ModelThread:
    """Takes microphone frames, runs the model and the turn monitor, and publishes.

    Silence stands in for audio that does not come (`Pace`). A fault of the model starts the
    conversation again `max_model_restarts` times; after one more the thread discards audio until
    it is reset, which `failed` tells.
    """

    def __init__(
        self,
        bus: Bus,
        session: AnySession,
        intake: MicrophoneIntake,
        monitor: TurnMonitor,
        giving_way: GivingWay,
        echo: OwnEcho,
        outputs: Outputs,
        state_topics: StateTopics,
        *,
        frame_s: float,
        parameters: Callable[[], Parameters],
        seed: Callable[[], int],
    ) -> None:
        self._bus = bus
        self._session = session
        self._pace = Pace(intake, frame_s, bus.now_ns)
        self._monitor = monitor
        self._giving_way = giving_way
        self._echo = echo
        self._outputs = outputs
        self._state_topics = state_topics
        self._frame_s = frame_s
        self._frame_ns = round(frame_s * NS_PER_S)
        self._parameters = parameters
        self._seed = seed
        self._adopted = parameters()
        self._sampling: Sampling | None = None  # the session's may be of before a pause
        self._requests = RequestQueue()
        self._say = SayGoals(bus, session)
        self.visits = Visits(bus, self._say, self._begin_saying, lambda why: self._begin(None, why))
        self._reach = Reach(bus, session)
        self._stop = threading.Event()
        self._ready_at = 0.0
        self._callback_at = 0.0
        self._came_round = 0.0
        self.failed = False
        self.statistics = FrameStatistics()
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended yet."""
        return self._thread.is_alive()

    @property
    def filling(self) -> bool:
        """Whether silence stands in for audio now."""
        return self._pace.filling

    @property
    def trouble(self) -> str:
        """Why nothing comes of the thread; empty while it works, and before it was started."""
        if not self._came_round:
            return ""
        stalled_s = time.monotonic() - self._came_round
        if not self._thread.is_alive():
            return "the thread of the model has ended; deactivate and activate the node"
        if stalled_s > STALLED_S:
            return f"the model has not come back for {stalled_s:.0f} s"
        return ""

    def echo_snapshot(self) -> EchoSnapshot:
        """Return what is known of the robot's own voice in its microphone."""
        return self._echo.snapshot(self._monitor.echo)

    def start(self) -> None:
        """Begin to take frames."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ask the thread to end and wait for it; False if the model did not return in time."""
        self._stop.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def audio_arrived(self, monotonic_s: float) -> None:
        """Note when a callback with audio began; any thread."""
        self._callback_at = monotonic_s

    def restart(self, persona: AnyPrepared | None) -> None:
        """Begin a new conversation between two frames, as `persona` if one is given.

        Raises TimeoutError when the model is stuck, and what the engine raises.
        """
        self._requests.ask(lambda: self._begin(persona, "it was asked for"))

    def change_turns(self, parameters: TurnParameters, hold: HoldParameters) -> None:
        """Follow turns with other settings from the next frame on."""

        def change() -> None:
            self._giving_way.end()
            self._publish_turns(self._monitor.change(parameters, hold))

        self._requests.ask(change)

    def say(self, goal: Goal) -> None:
        """Say what a goal of ~/say asks for, in place of what is being said; the goal is ended.

        Raises RuntimeError after the last fault of the model, TimeoutError when it is stuck.
        """
        self._requests.ask(lambda: self._begin_saying(goal))

    def _begin_saying(self, goal: Goal) -> None:
        if self.failed:
            raise RuntimeError(MODEL_HAS_FAILED)
        self._giving_way.end()
        self._say.begin(goal)

    def _begin(self, persona: AnyPrepared | None, why: str) -> None:
        self._session.restart(persona, seed=self._seed())
        self._say.end("the conversation began anew")
        self._end_turns()
        self._new_conversation(why)
        if persona is not None:
            self._outputs.speaks_as(persona.persona.name)
        self.failed = False
        self.statistics.restarts = 0

    def _new_conversation(self, why: str) -> None:
        self._outputs.ended(f"a new conversation began: {why}", next=True)
        self.visits.begun(why)

    def _end_turns(self) -> None:
        self._giving_way.end()
        self._publish_turns(self._monitor.end())

    def _run(self) -> None:
        while not self._stop.is_set():
            self._came_round = time.monotonic()
            self._requests.serve()
            try:
                self._go_on()
            except BaseException as error:  # whatever it is, the thread must not end of it
                self._recover(error)
        try:
            self._say.end("the conversation was paused")
            self._session.hush()
            self._end_turns()
            self._outputs.ended("the conversation was paused", next=False)
        except Exception as error:
            self._bus.log("error", f"the end of the conversation was not published: {error}")

    def _go_on(self) -> None:
        """Take over what changed, and take the next frame if it comes in time."""
        if not self.failed:
            self._adopt(self._parameters())
        self._reach.tell()
        frame = self._pace.next_frame(self._adopted.late_audio_timeout_s, WAKE_UP_S)
        if frame is not None and not self.failed and not self._stop.is_set():
            self._step(frame)

    def _adopt(self, parameters: Parameters) -> None:
        """Take over what changed at run time."""
        if parameters is self._adopted and self._sampling is not None:
            return
        self._echo.adopt(parameters)
        sampling, before = sampling_of(parameters), self._sampling
        self._adopted, self._sampling = parameters, sampling
        if sampling != before:
            self._session.set_sampling(sampling)

    def _step(self, frame: MicrophoneFrame) -> None:
        taken_at = time.perf_counter()
        waited_s = taken_at - max(self._callback_at, self._ready_at)
        heard = self._echo.hear(frame.samples, frame.stamp_ns)
        listened = self._echo.silence if self._monitor.deaf else heard.for_model
        result = self._session.push(listened)
        answered_at = time.perf_counter()
        if self._stop.is_set():
            return
        # What answers a microphone frame can be heard when the frame has ended, at the earliest.
        heard_ns = frame.stamp_ns + self._frame_ns
        self._giving_way.shape(result.audio)
        self._echo.speak(result.audio, heard_ns, self._monitor.duplex)
        self._outputs.speech(result.audio, heard_ns)
        spoken_at = time.perf_counter()
        self._outputs.exchanged(frame.stamp_ns, listened, result.audio)
        if result.piece:
            self._outputs.text(
                stamp_ns=heard_ns, frame=result.index, token=result.token, text=result.piece
            )
        if not frame.filled:
            self._outputs.heard(listened)
        self._follow_turns(frame.stamp_ns, heard, result)
        self._ready_at = time.perf_counter()
        statistics = self.statistics
        if not frame.filled:
            statistics.overhead.push(max(0.0, waited_s) + spoken_at - answered_at)
        statistics.model.push(answered_at - taken_at)
        statistics.turns.push(self._ready_at - spoken_at)
        statistics.frame.push(self._ready_at - taken_at)
        statistics.late += self._ready_at - taken_at > self._frame_s
        statistics.frames += 1

    def _follow_turns(self, stamp_ns: int, heard: EchoFrame, said: StepResult) -> None:
        update = self._monitor.push(
            heard.clean, said.audio, said.piece, stamp_ns, heard, said.heard
        )
        self._publish_turns(update)
        gave_way = any(event.kind in (ROBOT_SILENCED, ROBOT_YIELDED) for event in update.events)
        if gave_way and self._adopted.yield_ == ASSIST:
            self._say.break_off("the person broke in")
        self._say.follow(stamp_ns + self._frame_ns, update.robot_speaking)
        self._giving_way.follow(update)
        self.visits.follow(update, self._adopted)

    def _publish_turns(self, update: TurnUpdate) -> None:
        hold = self._reach.hold(update.hold, self._adopted)
        state = TurnState(update.user_speaking, update.robot_speaking, update.engaged, hold)
        self._state_topics.set(state)
        self._outputs.turns(state)
        for event in update.events:
            self._outputs.event(event)
        if update.utterance is not None:
            self._outputs.utterance(update.utterance)
        if update.heard is not None:
            self._outputs.user_utterance(update.heard)

    def _recover(self, fault: BaseException) -> None:
        statistics = self.statistics
        statistics.faults += 1
        statistics.last_fault = described(fault)
        limit = self._parameters().max_model_restarts
        if self.failed:  # even discarding audio fails; it was told
            self._stop.wait(WAKE_UP_S)
            return
        self._bus.log("error", f"the model failed: {statistics.last_fault}")
        try:
            self._say.end("the model failed")
            self._end_turns()
            if statistics.restarts < limit:
                statistics.restarts += 1
                self._session.restart(seed=self._seed())
                self._new_conversation("the model failed")
                self._bus.log(
                    "warn", f"began a new conversation (restart {statistics.restarts} of {limit})"
                )
                return
        except Exception as error:
            statistics.last_fault += f"; restarting failed: {described(error)}"
            self._bus.log("error", f"restarting the model failed: {described(error)}")
        self.failed = True
        self._bus.log(
            "error",
            f"the robot stays silent after {statistics.faults} faults (max_model_restarts is "
            f"{limit}); mend the cause and call ~/reset",
        )
