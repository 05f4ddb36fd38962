"""What the hosts without ROS share: messages, threads, actions, parameters, the process itself."""
