"""How people hear of it: notices."""
