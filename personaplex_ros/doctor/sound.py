"""Sound cards. Without one, topics and files carry the audio."""

from __future__ import annotations

from personaplex_ros.audio.devices import AudioDeviceError, DeviceInfo, list_devices
from personaplex_ros.doctor.finding import Finding, Setup, Status

SUBJECT = "Sound cards"
OTHERWISE = "only needed when a sound card is source or sink; topics and files work without"


def check(setup: Setup) -> list[Finding]:
    """List the sound cards."""
    try:
        return [judge(list_devices())]
    except AudioDeviceError as error:
        problem, _, command = str(error).rpartition(": ")
        return [Finding(SUBJECT, Status.WARN, problem, f"{OTHERWISE}. To use one:", command)]


def judge(devices: list[DeviceInfo]) -> Finding:
    """Judge what there is to hear and to speak with."""
    inputs = [device.name for device in devices if device.inputs]
    outputs = [device.name for device in devices if device.outputs]
    found = f"{_listed(inputs, 'microphone')}; {_listed(outputs, 'loudspeaker')}"
    if inputs and outputs:
        return Finding(SUBJECT, Status.OK, found)
    return Finding(SUBJECT, Status.WARN, found, OTHERWISE)


def _listed(names: list[str], kind: str) -> str:
    if not names:
        return f"no {kind}"
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{kind} {', '.join(names[:2])}{more}"
