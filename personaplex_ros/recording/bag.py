"""The bag of a recording: what the robot published, as rosbag2 stores it in MCAP."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
import zstandard
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import Writer

from personaplex_ros.files import give_name, write_whole

from .growing_file import PRIVATE, GrowingFile

STORE = "bag_0.mcap"
METADATA = "metadata.yaml"
CHUNK = 1 << 20  # bytes; `flush` closes chunks long before
LARGEST = 1 << 26  # bytes of a record that is read; ours are far below
MAGIC = b"\x89MCAP0\r\n"
_VERSION = 8  # of rosbag2's metadata: of Iron; later releases read it, and Humble does
_AT_THE_CUT = (McapError, zstandard.ZstdError, struct.error, ValueError, EOFError, KeyError)
"""What reading raises where a process was killed, a disk was full or something was written over."""


@dataclass(frozen=True)
class Topic:
    """A topic of the bag: full name, type "package/msg/Name", its definition, hash and QoS.

    ``definition`` is the text with those of all types in it; ``qos`` a list of profiles in YAML.
    """

    name: str
    type: str
    definition: str
    type_hash: str
    qos: str


@dataclass(frozen=True)
class BagMessage:
    """A message as CDR, on the topic of that number, at a time in nanoseconds since the epoch."""

    topic: int
    time_ns: int
    data: bytes


class BagWriter:
    """A bag in the making, in a folder of its own; for one thread.

    What was flushed survives the process, and `complete` makes a whole bag of it.
    All raise OSError that says in words why a file cannot be written.
    """

    def __init__(self, folder: Path, topics: Sequence[Topic]) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder
        self._file = GrowingFile(folder / STORE)
        try:
            self._writer = _begin(self._file)
            schemas: dict[str, int] = {}
            for topic in topics:
                if topic.type not in schemas:
                    schemas[topic.type] = self._writer.register_schema(
                        topic.type, "ros2msg", topic.definition.encode()
                    )
            self._channels = [
                self._writer.register_channel(
                    topic.name,
                    "cdr",
                    schemas[topic.type],
                    {"offered_qos_profiles": topic.qos, "topic_type_hash": topic.type_hash},
                )
                for topic in topics
            ]
        except BaseException:
            self._file.close()
            raise

    @property
    def size(self) -> int:
        """Bytes that were written so far."""
        return self._file.size

    def write(self, message: BagMessage) -> None:
        """Take a message; it is on the disk after the next `flush`.

        What a microphone stamped before 1970 lies at the begin: a bag's times have no sign.
        """
        at = max(0, message.time_ns)
        self._writer.add_message(self._channels[message.topic], at, message.data, at)

    def flush(self) -> None:
        """Close the chunk, so that a reader that recovers has all messages up to here."""
        self._writer.flush()

    def finish(self) -> None:
        """Write index and metadata and close the bag."""
        try:
            self._writer.finish()
        finally:
            self._file.close()
        _describe(self._folder)

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()


def is_complete(folder: Path) -> bool:
    """Tell whether the bag in a folder has its index and its metadata."""
    store = folder / STORE
    if not (folder / METADATA).is_file() or not store.is_file():
        return False
    with store.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - len(MAGIC)))
        return size > 2 * len(MAGIC) and file.read() == MAGIC


def complete(folder: Path) -> None:
    """Make a whole bag of one whose process was killed; what is not in a whole chunk is lost.

    Raises OSError that says why it cannot be written.
    """
    store, successor = folder / STORE, folder / f".{STORE}.part"
    successor.unlink(missing_ok=True)
    output = GrowingFile(successor)
    try:
        with store.open("rb") as file:
            _copy(StreamReader(file, validate_crcs=True, record_size_limit=LARGEST), output)
        output.close()
        give_name(successor, store)
    finally:
        output.close()
        successor.unlink(missing_ok=True)
    _describe(folder)


def _copy(reader: StreamReader, output: GrowingFile) -> None:
    """Write what can be read of a bag as a new one."""
    writer = _begin(output)
    schemas: dict[int, int] = {}
    channels: dict[int, int] = {}
    with suppress(*_AT_THE_CUT):
        for record in reader.records:
            if isinstance(record, Schema) and record.id not in schemas:
                schemas[record.id] = writer.register_schema(
                    record.name, record.encoding, record.data
                )
            elif isinstance(record, Channel) and record.id not in channels:
                channels[record.id] = writer.register_channel(
                    record.topic,
                    record.message_encoding,
                    schemas[record.schema_id],
                    record.metadata,
                )
            elif isinstance(record, Message):
                times = (record.log_time, record.data, record.publish_time)
                writer.add_message(channels[record.channel_id], *times)
    writer.finish()


def _begin(file: GrowingFile) -> Writer:
    output: Any = file  # it has what the writer calls: write, tell, flush
    writer = Writer(output, chunk_size=CHUNK)
    writer.start("ros2", "personaplex_ros")
    return writer


def _describe(folder: Path) -> None:
    """Write the metadata.yaml of a bag from the summary of its file."""
    with (folder / STORE).open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None and summary.statistics is not None
    statistics = summary.statistics
    span = {
        "starting_time": {"nanoseconds_since_epoch": statistics.message_start_time},
        "duration": {"nanoseconds": statistics.message_end_time - statistics.message_start_time},
        "message_count": statistics.message_count,
    }
    topics = [
        {
            "topic_metadata": {
                "name": channel.topic,
                "type": summary.schemas[channel.schema_id].name,
                "serialization_format": channel.message_encoding,
                "offered_qos_profiles": channel.metadata.get("offered_qos_profiles", ""),
                "type_description_hash": channel.metadata.get("topic_type_hash", ""),
            },
            "message_count": statistics.channel_message_counts.get(channel.id, 0),
        }
        for channel in summary.channels.values()
    ]
    content = {
        "rosbag2_bagfile_information": {
            "version": _VERSION,
            "storage_identifier": "mcap",
            **span,
            "topics_with_message_count": topics,
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [STORE],
            "files": [{"path": STORE, **span}],
            "custom_data": None,
            "ros_distro": "",
        }
    }
    text = yaml.dump(content, Dumper=_Plain, sort_keys=False)

    def write(path: Path) -> None:
        path.chmod(PRIVATE)
        path.write_text(text, encoding="utf-8")

    write_whole(folder / METADATA, write)


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice: not every reader knows references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
