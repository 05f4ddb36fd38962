"""Streaming building blocks: pure modules, state in and out."""
