"""A sound card's microphone, or packets from the network, on the topic audio_in."""

from __future__ import annotations

import time
from contextlib import ExitStack

import numpy as np

from personaplex_ros.audio import AudioChunk, int16_to_float32, to_mono
from personaplex_ros.node.devices.health import DeviceHealth
from personaplex_ros.node.devices.parameters import MicrophoneParameters
from personaplex_ros.node.health.cards import card_status
from personaplex_ros.node.health.growth import Growth
from personaplex_ros.node.hosts.bus import LATCHED, Bus, Publisher
from personaplex_ros.node.hosts.messages import Status
from personaplex_ros.node.sound.cards import CardMicrophone
from personaplex_ros.node.sound.microphone_topic import MICROPHONE
from personaplex_ros.node.sound.streams import UdpMicrophone
from personaplex_ros.node.sound.types import AUDIO_DATA, AUDIO_DATA_STAMPED, AUDIO_INFO
from personaplex_ros.node.sound.writing import AudioWriter, audio_info

TOPIC = "audio_in"


class MicrophoneNode:
    """Publishes what a microphone hears, as long as its card is there or packets come.

    A message has 20 ms of a card, or what a packet holds. While the card is gone nothing comes,
    which the node personaplex fills with silence; the sample index then goes on at the present
    time. Raises AudioDeviceError if the card cannot be opened, ValueError or OSError for a source
    that cannot be heard, LookupError when the message type is not installed.
    """

    def __init__(self, bus: Bus, parameters: MicrophoneParameters) -> None:
        self._bus = bus
        self._parameters = parameters
        self._writer: AudioWriter | None = None
        self._rate = 0
        self._growth = Growth()
        self._open = ExitStack()
        with self._open:
            self._info = self._advertise_info()
            self._publisher = bus.advertise(TOPIC, parameters.audio_in_type, MICROPHONE)
            self._open.callback(self._publisher.close)
            self._card = self._open_microphone(parameters)
            health = DeviceHealth(bus, parameters.diagnostics_period_s, self._statuses)
            self._open.callback(health.close)
            self._open.callback(self._card.close)
            self._card.start()
            self._open = self._open.pop_all()
        bus.log("info", f"the microphone is {self._card.card.name}")

    def close(self) -> None:
        """Free the card and close the topics."""
        self._open.close()

    def _open_microphone(self, parameters: MicrophoneParameters) -> CardMicrophone | UdpMicrophone:
        if parameters.source:
            return UdpMicrophone(self._bus, parameters.source, self._publish)
        rate = parameters.sample_rate or None
        return CardMicrophone(self._bus, parameters.card, self._publish, rate)

    def _advertise_info(self) -> Publisher | None:
        if self._parameters.audio_in_type not in (AUDIO_DATA, AUDIO_DATA_STAMPED):
            return None
        info = self._bus.advertise(f"{TOPIC}_info", AUDIO_INFO, LATCHED)
        self._open.callback(info.close)
        return info

    def _statuses(self) -> list[Status]:
        return [card_status(self._card.card, self._growth)]

    def _publish(self, chunk: AudioChunk) -> None:
        writer = self._writer_of(chunk.rate)
        samples = int16_to_float32(np.asarray(chunk.samples, np.int16))
        samples = to_mono(samples.reshape(-1, chunk.channels))
        # By the graph's clock, which may be simulated; the card tells the wall clock's time.
        stamp_ns = self._bus.now_ns() - (time.time_ns() - chunk.stamp_ns)
        self._publisher.publish(writer.message(samples, chunk.first_sample or 0, stamp_ns))

    def _writer_of(self, rate: int) -> AudioWriter:
        if self._writer is None or rate != self._rate:
            type_name = self._parameters.audio_in_type
            frame_id = self._parameters.microphone_frame_id
            self._writer, self._rate = AudioWriter(self._bus, type_name, rate, frame_id), rate
            if self._info is not None:
                self._info.publish(audio_info(self._bus.message(AUDIO_INFO), rate))
        return self._writer
