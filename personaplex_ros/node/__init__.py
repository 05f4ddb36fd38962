"""The node: its behaviour, without ROS or DDS, and the hosts that connect it."""
