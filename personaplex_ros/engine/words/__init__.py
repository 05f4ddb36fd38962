"""What the conversations in an engine's slots are given to say, and what they hear said."""
