"""What can be measured: which task needs which files, and how its score is read."""

from __future__ import annotations

from dataclasses import dataclass

GOOD_CONVERSATION = "You enjoy having a good conversation."
TEACHER = (
    "You are a wise and friendly teacher. Answer questions or provide advice in a clear and "
    "engaging way."
)


@dataclass(frozen=True)
class Task:
    """A task of the benchmark.

    ``annotation`` is the file that a sample must have beside ``input.wav``, if any. ``takeover``
    tells what a good model does: True takes the turn, False leaves it to the user, None is not
    judged. ``prompt`` is the persona that PersonaPlex was measured with.
    """

    name: str
    annotation: str | None
    takeover: bool | None
    prompt: str


TASKS = {
    task.name: task
    for task in (
        Task("smooth_turn_taking", "turn_taking.json", True, GOOD_CONVERSATION),
        Task("pause_handling", None, False, GOOD_CONVERSATION),
        Task("user_interruption", "interrupt.json", True, TEACHER),
        Task("backchannel", None, False, GOOD_CONVERSATION),
        Task("user_backchannel", "metadata.json", None, GOOD_CONVERSATION),
        Task("talking_to_other", "metadata.json", None, GOOD_CONVERSATION),
        Task("background_speech", "metadata.json", None, GOOD_CONVERSATION),
    )
}
V15_ANNOTATION = "metadata.json"  # of every sample of v1.5, those of user_interruption included
