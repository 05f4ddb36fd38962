"""Holds many dialogues at once between callers and the model, a pass over the weights for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from personaplex_ros.engine import Engine, Persona, PreparedPersona, Sampling, Session
from personaplex_ros.training.dialogue import FRAME_S
from personaplex_ros.training.exam.caller import FRAME, Caller
from personaplex_ros.training.exam.judge import Dialogue

LONGEST_S = 110.0


@dataclass
class Line:
    """One dialogue that is going on."""

    caller: Caller
    persona: Persona
    session: Session
    robot: list[NDArray[np.float32]] = field(default_factory=lambda: [np.zeros(FRAME, np.float32)])
    user: list[NDArray[np.float32]] = field(default_factory=list)
    pieces: list[tuple[float, str]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether the caller has hung up."""
        return self.caller.done or len(self.user) * FRAME_S > LONGEST_S


def hold(
    engine: Engine,
    callers: Iterator[tuple[Caller, Persona, int]],
    slots: int,
    sampling: Sampling,
    finished: Callable[[Dialogue], None],
) -> None:
    """Hold the dialogues of all callers (caller, persona, seed), ``slots`` at a time."""
    prepared: dict[Persona, PreparedPersona] = {}
    lines: list[Line] = []
    while True:
        while len(lines) < slots and (new := next(callers, None)) is not None:
            caller, persona, seed = new
            if persona not in prepared:
                prepared[persona] = engine.prepare(persona)
            lines.append(Line(caller, persona, engine.open(prepared[persona], sampling, seed)))
        if not lines:
            return
        for line in lines:
            # What the last step returned is heard while the next frame is spoken.
            line.user.append(line.caller.frame(line.robot[-1]))
        results = engine.step({line.session: line.user[-1] for line in lines})
        for line in lines:
            result = results[line.session]
            line.robot.append(result.audio.copy())
            if result.piece:
                line.pieces.append((len(line.user) * FRAME_S, result.piece))
        for line in [line for line in lines if line.over]:
            lines.remove(line)
            line.session.close()
            finished(
                Dialogue(
                    line.caller.facts,
                    str(line.persona.voice),
                    line.persona.text_prompt,
                    tuple(line.caller.said),
                    np.concatenate(line.user),
                    np.concatenate(line.robot),
                    tuple(line.pieces),
                )
            )
