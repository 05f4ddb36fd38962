"""From the node's parameters to a turn monitor."""

from __future__ import annotations

from dataclasses import fields

from personaplex_ros.conversing import AnyEngine
from personaplex_ros.node.parameters.definition import ParameterError
from personaplex_ros.node.parameters.table import Parameters
from personaplex_ros.turns import HoldParameters, TurnMonitor, TurnParameters


def turn_parameters(parameters: Parameters) -> TurnParameters:
    """Return what the tracker needs, which has the same names.

    Raises ParameterError for values that do not fit together, such as user_off above user_on.
    """
    values = {field.name: getattr(parameters, field.name) for field in fields(TurnParameters)}
    try:
        return TurnParameters(**values)
    except ValueError as error:
        raise ParameterError(f"the turn parameters do not fit together: {error}") from error


def hold_parameters(parameters: Parameters) -> HoldParameters:
    """Return when motion pauses."""
    return HoldParameters(parameters.hold_timeout_s, parameters.hold_on_suspicion)


def turn_monitor(engine: AnyEngine, parameters: Parameters) -> TurnMonitor:
    """Return a monitor; speech is heard one frame after the microphone frame it answers."""
    return TurnMonitor(
        engine.sample_rate,
        engine.frame_size,
        parameters=turn_parameters(parameters),
        hold=hold_parameters(parameters),
        robot_delay_s=engine.frame_size / engine.sample_rate,
    )
