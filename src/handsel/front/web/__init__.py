"""The page at ``/`` and the files it needs. Nothing is ever loaded from another host."""
