"""What goes over the wire of the public Moshi and PersonaPlex servers: messages, Ogg, Opus."""
