"""``python -m handsel.front.cli``: how the supervisor starts its children."""

from handsel.front.cli import main

main()
