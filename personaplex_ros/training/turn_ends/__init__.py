"""Training of the judge of ends of turns (`personaplex_ros.turns.judges.turn_end`)."""
