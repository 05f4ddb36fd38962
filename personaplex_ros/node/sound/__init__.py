"""The node's sound: where it comes from and goes to, and the message types that carry it."""
