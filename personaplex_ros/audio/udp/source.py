"""Listens for packets of sound, and again when they have stopped."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from personaplex_ros.audio.chunk import AudioChunk
from personaplex_ros.audio.framing import SECOND_NS
from personaplex_ros.audio.udp.address import UdpAddress
from personaplex_ros.audio.udp.pace import Pace

POLL_S = 0.1
"""How long the socket is waited for at once."""
DEAD_S = 2.0
"""Time without a packet after which that is a fault, and the socket is opened again."""
BUFFERED_BYTES = 1 << 18
"""What the system keeps for a thread that comes late; more is dropped and counted."""
LARGEST_PACKET = 65_536
_SO_RXQ_OVFL = 40
"""Linux: how many packets the system has dropped comes with each; not named by `socket`."""


@dataclass(frozen=True)
class UdpCounters:
    """What came. refused: packets that hold no whole samples, or more than a second.

    lost: packets that never came, by the clock; late: those that came over 0.1 s later than usual;
    dropped: those that this machine was too busy to fetch; other_senders: packets of others.
    interruptions: times that nothing came for long, after which the stream went on.
    """

    packets: int = 0
    refused_packets: int = 0
    lost_packets: int = 0
    late_packets: int = 0
    dropped_packets: int = 0
    other_senders: int = 0
    interruptions: int = 0


class UdpSource:
    """Calls `callback` with an AudioChunk (int16) for every packet, from its own thread.

    `on_change` is told, from that thread, what is wrong, and an empty text when it is over. The
    packets have no numbers: `first_sample` counts what came, and the time of an interruption.
    Raises OSError, telling the remedy, if the address cannot be listened to.
    """

    def __init__(
        self,
        address: UdpAddress,
        callback: Callable[[AudioChunk], None],
        on_change: Callable[[str], None] = lambda problem: None,
    ) -> None:
        self.address = address
        self.problem = ""
        self._callback = callback
        self._on_change = on_change
        self._counters = UdpCounters()
        self._pace = Pace(address.rate)
        self._sender = ""
        self._next_sample = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._open().close()  # the moment to learn that it cannot be used

    def start(self) -> None:
        """Begin to listen: what is sent from now on is heard."""
        self._stopping = threading.Event()
        arguments = (self._stopping, self._try_to_open())
        self._thread = threading.Thread(
            target=self._run, args=arguments, name="UDP microphone", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End it; returns when the last callback has returned. Once or more often."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None
        self.problem = ""

    def snapshot(self) -> UdpCounters:
        """Return a copy of the counters."""
        return replace(self._counters, lost_packets=self._pace.lost, late_packets=self._pace.late)

    def _run(self, stopping: threading.Event, opened: socket.socket | None) -> None:
        while not stopping.is_set():
            if opened is None:
                stopping.wait(DEAD_S)
            else:
                with opened:
                    self._listen(opened, stopping)
            opened = None if stopping.is_set() else self._try_to_open()

    def _try_to_open(self) -> socket.socket | None:
        try:
            return self._open()
        except OSError as error:
            self._tell(str(error))
            return None

    def _listen(self, opened: socket.socket, stopping: threading.Event) -> None:
        """Hear packets until there are none any more, so that a network that is back is joined."""
        heard_s, dropped = time.monotonic(), 0
        self._sender = ""
        while not stopping.is_set():
            if time.monotonic() - heard_s > DEAD_S:
                self._tell(self._nothing())
                return
            try:
                packet, extras, _, sender = opened.recvmsg(LARGEST_PACKET, socket.CMSG_SPACE(4))
            except TimeoutError:
                continue
            except OSError as error:  # the network interface is gone
                self._tell(str(error))
                return
            now_s = time.monotonic()
            if self._is_from_another(sender[0], now_s - heard_s):
                self._count(other_senders=1)
                continue
            for level, kind, data in extras:
                if (level, kind) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
                    (total,) = struct.unpack("I", data)
                    self._count(dropped_packets=total - dropped)
                    dropped = total
            if self._take(packet, now_s):
                heard_s = now_s

    def _is_from_another(self, sender: str, silent_s: float) -> bool:
        if self.address.sender:
            return sender != self.address.sender
        if sender != self._sender and (not self._sender or silent_s > DEAD_S / 2):
            self._sender = sender
        return sender != self._sender

    def _take(self, packet: bytes, now_s: float) -> bool:
        """Deliver what a packet holds; False if that are no samples."""
        address = self.address
        samples = address.samples(packet)
        if samples is None:
            self._count(refused_packets=1)
            return False
        frames = len(samples) // address.channels
        paused_s = self._pace.take(frames, now_s)
        if paused_s:
            self._count(interruptions=1)
            self._next_sample += round(paused_s * address.rate)
        self._tell("")
        self._count(packets=1)
        stamp_ns = time.time_ns() - frames * SECOND_NS // address.rate
        first, self._next_sample = self._next_sample, self._next_sample + frames
        source = f"udp:{self._sender or address.sender}"
        self._callback(AudioChunk(samples, address.rate, address.channels, stamp_ns, first, source))
        return True

    def _count(self, **more: int) -> None:
        present = {name: getattr(self._counters, name) + count for name, count in more.items()}
        self._counters = replace(self._counters, **present)

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._on_change(problem)

    def _nothing(self) -> str:
        address = self.address
        others = "" if not self._counters.other_senders else ", but others send there"
        asked = f" from {address.sender}" if address.sender else ""
        if self._counters.refused_packets and not self._counters.packets:
            return (
                f"no packet to {address.host}:{address.port} holds whole samples of "
                f"{address.format}, channels={address.channels}: are these, and header, right?"
            )
        remedy = "does the sender send, and to this machine's address?"
        if address.multicast:
            remedy = "does the sender send, and is its network the one of interface=NAME?"
        return f"no packet comes{asked} to {address.host}:{address.port}{others}: {remedy}"

    def _open(self) -> socket.socket:
        address = self.address
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            opened.settimeout(POLL_S)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFERED_BYTES)
            opened.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
            if address.multicast:  # several programs may hear it
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((address.host, address.port))
            if address.multicast:
                membership = struct.pack(
                    "4s4si",
                    socket.inet_aton(address.host),
                    socket.inet_aton(address.interface_address()),
                    address.interface_index(),
                )
                opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        except OSError as error:
            opened.close()
            remedy = "is the address one of this machine, and no other program there?"
            if address.multicast:
                remedy = "name the network interface on which it comes: &interface=eth0"
            raise OSError(
                f"{address.url} cannot be heard ({error.strerror or error}): {remedy}"
            ) from error
        return opened
