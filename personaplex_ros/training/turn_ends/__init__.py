"""Training of the judge of ends of turns (`personaplex_ros.turns.turn_end`)."""
