"""All that is measured, in the order in which it is shown."""

import computing
import end_to_end
import files
import floor
import growth
import in_process
import instructions
import memory
import object_store
import shared_disk
import start
import threads
import waiting

# The name, which is that of the file of results, a heading, and what measures it.
GROUPS = {
    "in-process": ("One call, in one process", in_process.measure),
    "floor": ("What the calls of Lua take by themselves, in one process", floor.measure),
    "instructions": ("Instructions of one call, as callgrind counts them", instructions.measure),
    "threads": ("One call as the threads become more", threads.measure),
    "memory": ("Memory of a server as the connections become more", memory.measure),
    "start": ("Start", start.measure),
    "end-to-end": ("Served on a Unix socket: the same script in both plugins", end_to_end.measure),
    "waiting": ("Served on a Unix socket: reads that wait", waiting.measure),
    "shared-disk": ("Served on a Unix socket: the shared disk in memory", shared_disk.measure),
    "files": ("Served on a Unix socket: a disk in a file", files.measure),
    "computing": ("A disk that is computed by a script under LuaJIT", computing.measure),
    "object-store": ("Served on a Unix socket: a disk in an object store", object_store.measure),
    "growth": ("Memory over two million requests, in one process", growth.measure),
}

# Only measured when asked for by name: what they need takes minutes to build.
ASKED_FOR = ["object-store"]
