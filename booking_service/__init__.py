"""Bookings, the saga that carries them, and tickets."""
