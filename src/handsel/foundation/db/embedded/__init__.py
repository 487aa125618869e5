"""The embedded PostgreSQL: a real server, started on demand, that belongs to one home folder.

Owns everything between "there is a folder" and "there is a socket that answers": finding the
programs, creating the data folder, starting, stopping and deleting it. Synchronous, one short
child process at a time; whoever runs an event loop calls it from a thread.

Invariants, each with a test:

* Two servers never run on one data folder. A kernel lock (`postgres.lock`) serialises start and
  stop, a second one (`postgres.alive`) is inherited by the server and all its children, so it is
  held exactly as long as any of them lives, whatever pid files say.
* No process is signalled unless it is a postgres whose working directory is our data folder at
  that moment. Pid files are never believed.
* A data folder is either complete or absent: `initdb` works beside it and a rename publishes it.
* No TCP. The socket lies in a 0700 folder of the server's user, its path fits in 103 bytes.
* No folder but our own is ever chmodded or deleted.

Callers: the settings of `foundation.db`, `handsel db`, `handsel run`, `handsel demo` and the tests.
"""

from handsel.foundation.db.embedded.errors import EmbeddedUnavailable
from handsel.foundation.db.embedded.place import ServerAddress, data_location
from handsel.foundation.db.embedded.programs import binaries
from handsel.foundation.db.embedded.server import reset, start, status, stop

__all__ = [
    "EmbeddedUnavailable",
    "ServerAddress",
    "binaries",
    "data_location",
    "reset",
    "start",
    "status",
    "stop",
]
