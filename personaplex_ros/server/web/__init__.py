"""A page to talk from, in a browser, over the Realtime protocol."""
