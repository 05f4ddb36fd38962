"""OpenAI's Realtime protocol (GA) at `/v1/realtime`; docs/realtime.md has what each event does."""
