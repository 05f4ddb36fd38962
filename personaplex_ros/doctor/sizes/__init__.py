"""What a model takes of a machine: by its sizes, by short measurements and by real frames."""
