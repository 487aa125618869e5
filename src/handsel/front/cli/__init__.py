"""The command line. One module a group of commands; what is heavy is imported when it runs.

Exit status: 0 done, 1 it ran and found something wrong (a violated invariant, a failed step),
2 it could not run; then one sentence on standard error says why, and no traceback does.
"""

from handsel.front.cli.commands import main

__all__ = ["main"]
