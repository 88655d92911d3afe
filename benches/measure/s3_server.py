"""An S3 server on this machine, s3s-fs, which keeps its objects in a directory."""

import os
import socket
import subprocess
import time
from pathlib import Path

from server import DEADLINE

BUCKET = "bucket"
KEY, SECRET, REGION = "key", "secret", "us-east-1"


class S3Server:
    """For a `with` statement; it can also end and begin again."""

    def __init__(self, program, directory):
        self.program = program
        self.root = Path(directory) / "s3"
        (self.root / BUCKET).mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = None

    def __enter__(self):
        self.begin()
        return self

    def __exit__(self, *_):
        self.end()

    def begin(self):
        """Starts it, and returns when it takes connections."""
        keys = ["--access-key", KEY, "--secret-key", SECRET]
        self.process = subprocess.Popen(
            [self.program, "--host", "127.0.0.1", "--port", str(self.port), *keys, self.root],
            env={**os.environ, "LD_PRELOAD": os.environ.get("NBDKIT_SCRIPT_S3_PRELOAD", "")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + DEADLINE
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError("the S3 server did not start")
            if time.monotonic() > end:
                self.end()
                raise TimeoutError("the S3 server does not get ready")
            time.sleep(0.01)

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def end(self):
        self.process.kill()
        self.process.wait()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self):
        """What the crate `object_store` reads."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT": self.url,
            "AWS_ALLOW_HTTP": "true",
        }
