"""Whether the checkpoint is complete: its files and their headers; nothing is loaded."""

from __future__ import annotations

from personaplex_ros.checkpoint import CheckpointFiles, TextTokenizer, stored_bytes
from personaplex_ros.checkpoint.inspection import inspect, read_shapes
from personaplex_ros.doctor.finding import Finding, Setup, Status
from personaplex_ros.units import readable

SUBJECT = "Checkpoint"


def check(setup: Setup) -> list[Finding]:
    """Find the files, compare their headers with the configuration, open the tokenizer."""
    try:
        files = CheckpointFiles.find(setup.checkpoint)
    except FileNotFoundError as error:
        problem, _, _ = str(error).partition(";")
        remedy = "name a checkpoint with --checkpoint, or fetch the published one:"
        return [Finding(SUBJECT, Status.FAIL, problem, remedy, "personaplex download")]
    try:
        sizes = inspect(files)
        TextTokenizer(files.tokenizer, sizes.lm.text_cardinality)
    except ValueError as error:
        remedy = "fetch it again; what is right is kept:"
        command = f"personaplex download {files.directory}"
        return [Finding(SUBJECT, Status.FAIL, str(error), remedy, command)]
    stored = stored_bytes(files.model) + stored_bytes(files.mimi)
    count = len(read_shapes(files.model)) + len(read_shapes(files.mimi))
    found = f"{files.directory}, complete: {count} tensors, {readable(stored)}"
    return [Finding(SUBJECT, Status.OK, found, values={"bytes": stored})]
