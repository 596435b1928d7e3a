"""Every seat and every counted pool of every event, and the holds on them."""
