"""A host without ROS that speaks rmw_zenoh's protocol, over PyPI's eclipse-zenoh."""
