"""Recordings of the node: what of a conversation goes into them, its bag, the consent service."""
