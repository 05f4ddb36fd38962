"""Sound that came over a network: order, lateness and losses."""
