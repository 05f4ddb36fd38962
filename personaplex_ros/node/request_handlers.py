"""What others ask of a conversation: a sentence, a greeting, consent, a persona, a new one."""

from __future__ import annotations

import threading
from typing import Any

from personaplex_ros.conversing import AnyPrepared
from personaplex_ros.node.hosts.bus import Bus, Goal
from personaplex_ros.node.live_parameters import LiveParameters
from personaplex_ros.node.loaded import LoadedModel
from personaplex_ros.node.model_thread import MODEL_HAS_FAILED
from personaplex_ros.node.requests.answers import Handlers
from personaplex_ros.node.requests.personas import chosen_persona, persona_values
from personaplex_ros.node.requests.say_action import SAY
from personaplex_ros.node.requests.say_goals import refuse
from personaplex_ros.node.requests.services import Services
from personaplex_ros.node.requests.topics import RequestTopics
from personaplex_ros.node.stage import Stage
from personaplex_ros.node.visits.arrivals import Arrivals

BEGIN_S = 8.0
"""For which the server of a model elsewhere is waited for, that it may refuse a persona."""


class RequestHandlers:
    """Serves ~/say, ~/reset, ~/set_persona and ~/record, also by topic, and greets on request.

    Requests may come at any stage of the node and from any thread, which waits for its answer.
    """

    def __init__(self, bus: Bus, stage: Stage, parameters: LiveParameters) -> None:
        """Open all; raises ParameterError when a message type is not installed."""
        self._bus = bus
        self._stage = stage
        self._parameters = parameters
        self._persona_lock = threading.Lock()
        self._arrivals = Arrivals(bus, parameters.present, self._greet)
        self._say_action = bus.serve_action("~/say", SAY, self._say, self._check_goal)
        handlers = Handlers(self._reset, self._set_persona, self._record)
        self._services = Services(bus, handlers)
        self._topics = RequestTopics(bus, handlers, self._say, self._check_goal)

    def close(self) -> None:
        """Serve and hear no more."""
        self._say_action.close()
        self._services.close()
        self._topics.close()
        self._arrivals.close()

    def _reset(self) -> str:
        """Begin a new conversation with the same persona; returns a message for the caller."""
        self._stage.expect_not_configuring()
        with self._stage.lock:
            model, _ = self._stage.loaded()
        self._restart(model, None)
        return f"began a new conversation as {model.persona.name}"

    def _set_persona(self, persona: str, text_prompt: str, voice: str) -> str:
        """Begin a new conversation as another persona; the present one goes on meanwhile.

        Empty texts keep what the present persona has. The parameters tell it afterwards, so that
        the node stays so when it is cleaned up and configured. Raises what loading and preparing
        raise; then nothing has changed.
        """
        # They come from several threads, by service and by topic: each has its turn.
        with self._persona_lock:
            return self._become(persona, text_prompt, voice)

    def _become(self, persona: str, text_prompt: str, voice: str) -> str:
        self._stage.expect_not_configuring()
        with self._stage.lock:
            model, _ = self._stage.loaded()
            values = persona_values(self._parameters.present, persona, text_prompt, voice)
        chosen = chosen_persona(persona or model.persona, text_prompt, voice)
        prepared = model.prepared
        if chosen != model.persona:
            prepared = model.engine.prepare(chosen)
        with self._stage.lock:
            if self._stage.loaded()[0] is not model:
                raise RuntimeError("the node was configured anew meanwhile; ask again")
        self._restart(model, prepared)
        self._expect_begun(model)
        with self._stage.lock:
            model.persona, model.prepared = chosen, prepared
            self._parameters.note(values)
        self._parameters.tell(values)
        without = f", whose text is read without {prepared.left_out}" if prepared.left_out else ""
        return f"began a new conversation as {chosen.name}{without}"

    def _expect_begun(self, model: LoadedModel) -> None:
        """Let a model elsewhere be who it was before when its server refuses the new persona."""
        link = model.session.link
        if link is None:
            return
        try:
            link.expect_begun(BEGIN_S)
        except RuntimeError:
            self._restart(model, model.prepared)
            raise

    def _restart(self, model: LoadedModel, prepared: AnyPrepared | None) -> None:
        with self._stage.lock:  # of a paused node neither another request nor activate() interferes
            running = self._stage.running
            if running is None:
                self._stage.expect_no_stuck_model()
                model.session.restart(prepared, seed=self._parameters.next_seed())
                configured = self._stage.configured
                if prepared is not None and configured is not None:
                    configured.outputs.speaks_as(prepared.persona.name)
                return
        running.thread.restart(prepared)

    def _record(self, given: bool) -> str:
        """Take or withdraw consent to recording; returns a message for the caller."""
        self._stage.expect_not_configuring()
        configured = self._stage.configured
        if configured is None:
            raise RuntimeError("the node is not configured")
        if configured.witness is None:
            raise RuntimeError(
                "nothing is recorded: the parameter record is off; set it to a folder and "
                "configure the node anew"
            )
        return configured.witness.allow(given)

    def _greet(self, text: str) -> None:
        """Say a greeting, empty for that of the parameters, unless somebody is speaking."""
        running = self._stage.running
        if running is None or running.thread.failed:
            why = "the node is not active" if running is None else MODEL_HAS_FAILED
            self._bus.log("warn", f"a greeting was dropped: {why}")
        else:
            running.thread.visits.greet(text)

    def _check_goal(self, request: Any) -> None:
        """Raise RuntimeError or ValueError for a goal of ~/say that cannot be spoken now."""
        configured, running = self._stage.configured, self._stage.running
        if configured is None or running is None:
            raise RuntimeError("the node is not active")
        if running.thread.failed:
            raise RuntimeError(MODEL_HAS_FAILED)
        configured.model.engine.check_text(request.text)

    def _say(self, goal: Goal) -> None:
        """Speak the sentence of a goal; one that turns out not to be possible is aborted."""
        with self._stage.lock:
            running = self._stage.running
        try:
            if running is None:
                raise RuntimeError("the node is not active")
            running.thread.say(goal)
        except (RuntimeError, TimeoutError) as error:
            refuse(self._bus.message(SAY), goal, str(error))
