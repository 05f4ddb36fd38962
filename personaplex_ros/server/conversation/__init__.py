"""One conversation of a server: from a client's samples to what is sent to it."""
