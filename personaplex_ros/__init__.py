"""Full-duplex spoken conversation for robots: NVIDIA PersonaPlex as a ROS 2 node."""

__version__ = "0.1.0"
