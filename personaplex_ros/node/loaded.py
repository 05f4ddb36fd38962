"""What a configured node holds and an active one runs, and what diagnostics tell of it."""

from __future__ import annotations

from dataclasses import dataclass

from personaplex_ros.audio import MicrophoneIntake
from personaplex_ros.conversing import AnyEngine, AnyPrepared, AnySession
from personaplex_ros.node.health.diagnostics import ModelSnapshot, RunningSnapshot
from personaplex_ros.node.health.microphone import MicrophoneSnapshot
from personaplex_ros.node.model_thread import ModelThread
from personaplex_ros.node.sound.endpoints import AudioSource
from personaplex_ros.persona import Persona


@dataclass
class LoadedModel:
    """The model of a configured node, with the conversation that it is to hold."""

    engine: AnyEngine
    session: AnySession
    persona: Persona
    prepared: AnyPrepared


@dataclass
class RunningConversation:
    """The thread of an active node, and where its microphone's audio waits."""

    thread: ModelThread
    intake: MicrophoneIntake


def model_snapshot(model: LoadedModel, checkpoint: str) -> ModelSnapshot:
    """Return what is known of the model."""
    context = model.engine.context_frames  # 0 where nobody tells
    return ModelSnapshot(
        persona=model.persona.name,
        checkpoint=checkpoint,
        device=str(model.engine.device),
        memory_bytes=model.engine.memory_bytes,
        context_used=min(model.session.position, context) / context if context else None,
        long_conversation=model.engine.long_conversation,
        prompt_in_reach=model.session.prompt_in_reach,
    )


def running_snapshot(running: RunningConversation, source: AudioSource) -> RunningSnapshot:
    """Return what is known of the conversation and its microphone."""
    intake, thread = running.intake, running.thread
    return RunningSnapshot(
        statistics=thread.statistics,
        microphone=MicrophoneSnapshot(
            intake.snapshot(),
            intake.last_problem or "",
            (*intake.notes(), *source.notes),
            unreadable=source.unreadable,
            unreadable_problem=source.last_problem,
            remedy=source.remedy,
        ),
        waiting_s=intake.waiting_samples() / intake.sample_rate,
        filling=thread.filling,
        failed=thread.failed,
        trouble=thread.trouble,
        visits=thread.visits.counters,
        echo=thread.echo_snapshot(),
    )
