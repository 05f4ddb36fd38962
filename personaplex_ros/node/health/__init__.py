"""What /diagnostics tells: times, the microphone, the model, other nodes of the same name."""
