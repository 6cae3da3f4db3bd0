"""Runs the emulator of AWS on a free port of this machine, and ends it with everything that it started.

Nothing it listens on can be reached from another machine, and nothing of it is left behind.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

HOST = "127.0.0.1"
REGION = "us-east-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

# It is up after three seconds on an idle machine.
START_SECONDS_MAX = 40
# Its own shutdown waits for the functions; what has not ended by then is killed.
STOP_SECONDS_MAX = 5
LOOK_EVERY_SECONDS = 0.1
# A call of a function answers within its timeout, which is 120 s at most.
CALL_SECONDS_MAX = 125
# Of Linux's <sys/prctl.h>.
PR_SET_PDEATHSIG = 1


class Emulator:
    """The emulator while it runs: `with Emulator() as emulator`."""

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="relay-deployment-"))
        self.log = self.folder / "emulator.log"
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A session of its own: the functions are its children, and end with it.
                start_new_session=True,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(STOP_SECONDS_MAX)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        self.process.wait(STOP_SECONDS_MAX)
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, service):
        """A client of one of its services."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                read_timeout=CALL_SECONDS_MAX,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                proxies={},
            ),
        )

    def _environment(self):
        """Only this: the functions inherit it, and a variable that the template forgets must not come from here."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": HOST,
            "MINISTACK_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            # Each function may do what its role allows, and no more.
            "AUTH": "true",
            "STATE_DIR": str(self.folder / "state"),
            "S3_DATA_DIR": str(self.folder / "s3"),
            # These two would listen on ports of their own, beyond this machine.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Functions run as processes; a container engine that happens to be here is left alone.
            "LAMBDA_EXECUTOR": "local",
            "DOCKER_HOST": f"unix://{self.folder}/none.sock",
            **CREDENTIALS,
        }

    def _wait(self):
        end = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with opener().open(f"{self.url}/_ministack/health", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(LOOK_EVERY_SECONDS)
        raise RuntimeError(f"the emulator did not start:\n{self.log.read_text(errors='replace')[-4000:]}")


def end_on_signal():
    """Whoever ends this script with SIGTERM, such as `timeout`, ends what it has started too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))


def end_with_parent():
    """In the child, before it becomes the emulator: SIGTERM comes when the script ends, even if that was killed. It is the
    signal at which the emulator ends its functions as well.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def opener():
    """Opens URLs of this machine, past any proxy."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]
