"""What several commands take in the same words."""
