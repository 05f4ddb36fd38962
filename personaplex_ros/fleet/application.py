"""A fleet as an application of Ray Serve: doors, replicas, and the ledger that both tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray import serve
from ray.serve.exceptions import BackPressureError

from personaplex_ros.fleet.gate import Gate
from personaplex_ros.fleet.ledger import Ledger
from personaplex_ros.fleet.replica import Replica, Work
from personaplex_ros.fleet.replicas import Replicas
from personaplex_ros.server.door import Door
from personaplex_ros.server.metrics import Metrics

DOOR_CONNECTIONS = 256
"""Of one door; more wait."""
ASKED_EVERY_S = 2.0
"""How often Ray Serve asks each replica whether it is well."""


@dataclass(frozen=True)
class Scale:
    """How many of what, and when.

    replicas: at least; most: at most, by conversations. sessions: of a replica. busy: share of its
    sessions from which on another is started. up_s, down_s: for which that has to be so, or the
    opposite, in seconds. doors: through which clients come. cpus, gpus: of a replica. drain_s: for
    which a replica that is to end waits for its conversations. wait_s: for which a client waits for
    room; waiting: how many may.
    """

    replicas: int
    most: int
    sessions: int
    busy: float
    up_s: float
    down_s: float
    doors: int
    cpus: float
    gpus: float
    drain_s: float
    wait_s: float
    waiting: int


class FleetReplica(Replica):
    """The deployment of the model."""

    async def __init__(self, work: Work, ledger: Any, host: str) -> None:  # type: ignore[misc]
        name = serve.get_replica_context().replica_id.unique_id
        super().__init__(work, ledger, name, host or ray.util.get_node_ip_address())
        await self.start()

    async def __del__(self) -> None:
        """End; Ray Serve awaits it when it has waited for the conversations."""
        await self.close()


class FleetDoor:
    """The deployment that clients come to."""

    def __init__(
        self,
        replicas: Any,
        ledger: Any,
        secret: str,
        tokens: Sequence[str],
        origins: Sequence[str],
        wait_s: float,
    ) -> None:
        self._replicas = Replicas(replicas, ledger, secret, wait_s, BackPressureError)
        self._gate = Gate(self._replicas, Door(tokens, origins, Metrics()))

    def __serve_build_asgi_app__(self) -> Gate:
        return self._gate

    async def __del__(self) -> None:
        """Hang up; Ray Serve awaits it when it has waited for the conversations."""
        await self._replicas.close()


def fleet(
    work: Work, scale: Scale, tokens: Sequence[str], origins: Sequence[str], host: str = ""
) -> Any:
    """Return the application, to be run by Ray Serve at the prefix ``/``.

    host: where replicas listen for the doors, if not at the address of their machine.
    """
    ledger = serve.deployment(
        Ledger,
        name="ledger",
        num_replicas=1,
        max_ongoing_requests=1000,
        ray_actor_options={"num_cpus": 0},
    ).bind()
    replicas = serve.deployment(
        FleetReplica,
        name="replica",
        max_ongoing_requests=scale.sessions,
        max_queued_requests=scale.waiting,
        graceful_shutdown_timeout_s=scale.drain_s,
        graceful_shutdown_wait_loop_s=0.5,
        health_check_period_s=ASKED_EVERY_S,
        ray_actor_options={"num_cpus": scale.cpus, "num_gpus": scale.gpus},
        **_many(scale),
    ).bind(work, ledger, host)
    door = serve.deployment(
        serve.ingress()(FleetDoor),
        name="door",
        num_replicas=scale.doors,
        max_ongoing_requests=DOOR_CONNECTIONS,
        graceful_shutdown_timeout_s=scale.drain_s,
        ray_actor_options={"num_cpus": 0},
    )
    return door.bind(replicas, ledger, work.secret, tuple(tokens), tuple(origins), scale.wait_s)


def _many(scale: Scale) -> dict[str, Any]:
    if scale.most == scale.replicas:
        return {"num_replicas": scale.replicas}
    return {
        "autoscaling_config": {
            "min_replicas": scale.replicas,
            "max_replicas": scale.most,
            "target_ongoing_requests": scale.busy * scale.sessions,
            "upscale_delay_s": scale.up_s,
            "downscale_delay_s": scale.down_s,
        }
    }
