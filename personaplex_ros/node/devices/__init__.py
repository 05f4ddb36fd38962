"""Nodes of their own for a microphone and a loudspeaker, where the model runs elsewhere."""
