"""How ``nano`` is made: synthetic conversations, a small codec, a small language model."""
