"""What is offered, and how it is found: listings and search."""
