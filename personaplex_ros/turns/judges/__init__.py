"""What it means that somebody speaks or is silent: one question a file, asked every frame."""
