"""What learns, what it learns by, and the loop that it learns in."""
