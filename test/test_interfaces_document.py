"""What docs/interfaces.md says of topics is what the node opens."""

from __future__ import annotations

import re
from pathlib import Path

from node_support import robot

from personaplex_ros.node.hosts.bus import Qos

PAGE = Path(__file__).resolve().parent.parent / "docs" / "interfaces.md"


def documented() -> dict[str, Qos]:
    """Return the quality of service of every topic in the tables of topics."""
    topics: dict[str, Qos] = {}
    for row in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        stated = len(cells) == 4 and re.fullmatch(
            r"(reliable|best effort)(, latched)?, (\d+)", cells[2]
        )
        if stated:
            qos = Qos(stated[1] == "reliable", stated[2] is not None, int(stated[3]))
            topics |= dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), qos)
    return topics


def test_the_quality_of_service_of_every_topic_is_as_documented():
    with robot(
        audio_in_type="audio_common_msgs/msg/AudioData",
        audio_out_type="audio_common_msgs/msg/AudioData",
        human_voice=True,
        human_voice_id="voice",
        human_voice_audio=True,
        speed_scaling_topic="speed_scaling_topic",
        presence_topic="presence_topic",
        user_transcript=True,
    ) as r:
        opened = {t.replace("/voice/", "/<human_voice_id>/"): qos for t, qos in r.bus.qos.items()}
    assert opened == documented()
