"""People come and go: the conversation begins anew for each, and they are greeted."""
