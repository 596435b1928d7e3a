"""The public edge: REST in front of the services. Holds no data and decides nothing about seats."""
