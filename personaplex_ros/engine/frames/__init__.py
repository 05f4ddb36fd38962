"""One frame of all slots: operation by operation, or recorded on a GPU; and how long it took."""
