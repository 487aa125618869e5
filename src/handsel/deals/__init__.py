"""How people deal: the process engine, orders, reviews."""
