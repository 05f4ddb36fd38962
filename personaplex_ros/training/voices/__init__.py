"""Voices that somebody else's synthesizers speak, said once and kept as recordings."""
