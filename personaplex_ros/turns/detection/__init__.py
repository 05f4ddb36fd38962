"""Whether somebody makes a sound: windows of activity, and stretches of speech."""
