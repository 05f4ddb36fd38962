"""What pauses a robot's motion besides the topic motion_hold."""
