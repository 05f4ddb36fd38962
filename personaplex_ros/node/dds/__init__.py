"""Host over Cyclone DDS: the node joins a ROS 2 graph from a machine without ROS."""
