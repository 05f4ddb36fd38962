"""The names that ROS 2's middlewares give to types: "std_msgs::msg::dds_::Bool_"."""

from __future__ import annotations


def dds_type(name: str) -> str:
    """Return the middlewares' name of "std_msgs/msg/Bool"."""
    package, kind, short = name.split("/")
    return f"{package}::{kind}::dds_::{short}_"


def ros_type(name: str) -> str:
    """Return "std_msgs/msg/Bool" for the middlewares' name of it."""
    return name.replace("::dds_::", "::").removesuffix("_").replace("::", "/")
