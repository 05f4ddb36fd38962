"""Which velocity command reaches the base, by twist_mux's rules.

As published for twist_mux 4: an input whose priority is below that of a lock which is locked is
masked; so is one that has not come for its timeout (0 means never). A lock is locked while its
last message was true, or while none has come for its timeout, also before the first. Of the
inputs that are not masked the highest priority is forwarded, message by message. Nothing is sent
in place of a masked command: it is the base that stops when none comes.
"""

from __future__ import annotations

from personaplex_ros.mux_file import MuxConfiguration, MuxTopic


class VelocityMux:
    """Decides for every command; times in seconds of one clock."""

    def __init__(self, configuration: MuxConfiguration) -> None:
        self._inputs = {topic.name: topic for topic in configuration.inputs}
        self._locks = {topic.name: topic for topic in configuration.locks}
        self._heard: dict[str, float] = {}
        self._locked: dict[str, bool] = {}

    def take_lock(self, name: str, locked: bool, now: float) -> None:
        """Note a lock's message."""
        self._heard[f"lock {name}"] = now
        self._locked[name] = locked

    def forwards(self, name: str, now: float) -> bool:
        """Tell whether the command that just came on input `name` goes to the base."""
        self._heard[name] = now
        barrier = self._lock_priority(now)
        best: MuxTopic | None = None
        for topic in self._inputs.values():
            expired = self._expired(topic.name, topic.timeout, now)
            if expired or topic.priority < barrier:
                continue
            if best is None or topic.priority > best.priority:
                best = topic
        return best is not None and best.name == name

    def _lock_priority(self, now: float) -> int:
        locked = [
            lock.priority
            for lock in self._locks.values()
            if self._locked.get(lock.name, False)
            or self._expired(f"lock {lock.name}", lock.timeout, now)
        ]
        return max(locked, default=0)

    def _expired(self, key: str, timeout: float, now: float) -> bool:
        heard = self._heard.get(key)
        return timeout > 0.0 and (heard is None or now - heard > timeout)
