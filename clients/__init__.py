"""What clients are made from: the API's description, checked as their generators would read it."""
