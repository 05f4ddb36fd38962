"""What a microphone hears: rooms, noise, others who speak, music, the robot's own voice."""
