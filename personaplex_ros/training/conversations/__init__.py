"""What is said when: callers, their recordings, and conversations put together of them."""
