#!/usr/bin/env python3
"""Runs a command while this process leads, with nothing but Python: takes the lease, renews it, stops in time, gives it back.

    LESSOR_URL=http://127.0.0.1:8787 LESSOR_TOKEN=... ./client.py KEY COMMAND...

The command finds its term in LESSOR_TERM: it sends that along with each write, and the resource refuses older ones.
"""

import json
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

# A tenth of the ttl is left for clocks that do not run alike.
SURE = 0.9


class Lease:
    """A claim to one key, by one process."""

    def __init__(self, url, token, key, ttl_s=30.0):
        self._url = f"{url}/v1/keys/{urllib.parse.quote(key, safe='')}/"
        self._token = token
        self._ttl_s = ttl_s
        # It proves who holds the lease: unpredictable, and drawn anew at each start.
        self._claim = {
            "id": os.environ.get("LESSOR_ID", f"{socket.gethostname()}-{os.getpid()}"),
            "session": secrets.token_hex(16),
            "ttl_ms": round(ttl_s * 1000),
        }
        self.term = None
        self._newest = None
        self._deadline = 0.0

    def _post(self, operation, body, timeout_s=None):
        """The answer; None if there is none: then it is open what happened."""
        timeout_s = min(self._ttl_s / 3, timeout_s or self._ttl_s)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + operation, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code in (400, 401, 403, 404):
                raise SystemExit(error.read().decode()) from None
            print(f"{operation}: {error}", file=sys.stderr)
            return None

    def acquire(self):
        """Waits until it leads."""
        while True:
            # The lease counts from before the request was sent. This clock is set by nobody.
            asked = time.monotonic()
            answer = self._post("acquire", {**self._claim, "after": self._newest}) or {}
            if granted := answer.get("granted"):
                self.term = granted["term"]
                self._deadline = asked + self._ttl_s * SURE
                return
            if refused := answer.get("refused"):
                # The newest term that is known is always sent.
                self._newest = refused["lease"] and refused["lease"]["term"]
            time.sleep(self._ttl_s / 3 * random.uniform(0.5, 1.5))

    def leads(self):
        """Whether it still does: asks the clock, and nobody else."""
        return time.monotonic() < self._deadline

    def renew(self):
        """Keeps the lease if it is time to. False: the term is over."""
        if time.monotonic() >= self._deadline - self._ttl_s * 0.6:
            asked = time.monotonic()
            left = max(self._deadline - asked, 0.001)
            answer = self._post("renew", {**self._claim, "term": self.term}, left) or {}
            if "extended" in answer:
                self._deadline = asked + self._ttl_s * SURE
            elif "lost" in answer:
                self._deadline = 0.0
        return self.leads()

    def release(self):
        """Gives it back: the next one leads at once."""
        self._deadline = 0.0
        self._post("release", {"session": self._claim["session"]})


def watch(lease, work, over, ttl_s):
    """Ends the work when its time is over, also while a renewal waits for its answer."""
    while lease.leads():
        time.sleep(ttl_s / 50)
    if work.poll() is None:
        over.set()
        work.kill()


def main():
    key, *command = sys.argv[1:]
    ttl_s = int(os.environ.get("LESSOR_TTL_MS", "30000")) / 1000
    lease = Lease(os.environ["LESSOR_URL"], os.environ["LESSOR_TOKEN"], key, ttl_s)
    lease.acquire()
    work = subprocess.Popen(command, env={**os.environ, "LESSOR_TERM": str(lease.term)})
    over = threading.Event()
    threading.Thread(target=watch, args=(lease, work, over, ttl_s), daemon=True).start()
    while work.poll() is None:
        lease.renew()
        try:
            work.wait(timeout=ttl_s / 10)
        except subprocess.TimeoutExpired:
            pass
    if over.is_set():
        print(f"the term {lease.term} is over", file=sys.stderr)
        return 75
    lease.release()
    return work.returncode


if __name__ == "__main__":
    sys.exit(main())
