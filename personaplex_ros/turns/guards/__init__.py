"""Telling the person from what else the microphone hears: the robot itself, a television."""
