"""The protocol of the public PersonaPlex and Moshi servers: `GET /api/chat`."""
