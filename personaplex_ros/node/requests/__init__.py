"""What others ask of a conversation: ~/say, ~/reset, ~/set_persona."""
