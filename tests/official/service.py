"""LCIC's ModifyUserProfile on loopback, written from the protocol's description alone.

    python3 tests/official/service.py --window sliding --delay 20 2 0.8 --limits 0:20,60:10

The simulator and the client come from one hand, and their pace was tuned in virtual time. This
service shares nothing with either: another language, another clock, its own signature check and
its own counting of seconds. Standard library only. It prints its port, serves until SIGTERM, and
then prints what it saw as JSON.
"""

import argparse
import asyncio
import json
import math
import random
import selectors
import signal
import sys
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Protocol

from tc3 import Refusal, verify

SECRET_ID, SECRET_KEY = "AKID-INDEPENDENT-SERVICE", "independent-service-secret"

# --- Quota ------------------------------------------------------------------------------------


class Quota(Protocol):
    """Admits `limit` calls a second, whatever a second is."""

    limit: int

    def arrive(self, now: float) -> int:
        """How many calls in its second this one makes; more than the limit is refused."""


class FixedSecond:
    """The first so many of each whole second."""

    def __init__(self, limit: int, refused_count: bool) -> None:
        self.limit, self.refused_count = limit, refused_count
        self.second, self.calls = 0, 0

    def arrive(self, now: float) -> int:
        if math.floor(now) != self.second:
            self.second, self.calls = math.floor(now), 0
        count = self.calls + 1
        if count <= self.limit or self.refused_count:
            self.calls = count
        return count


class SlidingSecond:
    """So many in the second that ends with the call."""

    def __init__(self, limit: int, refused_count: bool) -> None:
        self.limit, self.refused_count = limit, refused_count
        self.counted: deque[float] = deque()

    def arrive(self, now: float) -> int:
        while self.counted and self.counted[0] <= now - 1:
            self.counted.popleft()
        count = len(self.counted) + 1
        if count <= self.limit or self.refused_count:
            self.counted.append(now)
        return count


class TokenBucket:
    """A bucket that holds a second's worth; a refused call that counts takes what had trickled in."""

    def __init__(self, limit: int, refused_count: bool) -> None:
        self.limit, self.refused_count = limit, refused_count
        self.tokens, self.last = float(limit), 0.0
        self.dry = 0

    def arrive(self, now: float) -> int:
        earned = (now - self.last) * self.limit
        self.tokens, self.last = min(self.limit, self.tokens + earned), now
        if self.tokens >= 1:
            self.tokens, self.dry = self.tokens - 1, 0
            return 1
        if self.refused_count:
            self.tokens = 0.0
        self.dry += 1
        return self.limit + self.dry


WINDOWS: dict[str, Callable[[int, bool], Quota]] = {
    "fixed": FixedSecond,
    "sliding": SlidingSecond,
    "bucket": TokenBucket,
}


# --- Service ----------------------------------------------------------------------------------


class Service:
    """The users, the quota and the record. Seconds are counted from the first call's arrival."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.quota = WINDOWS[args.window](args.limits[0][1], args.refused_count)
        self.changes = deque(args.limits)
        self.names_limit: bool = args.names_limit
        self.delay: tuple[float, float, float] = tuple(args.delay)
        self.random = random.Random(args.seed)
        self.other: float = args.other
        self.others: set[asyncio.Task[None]] = set()
        self.began: float | None = None
        self.received: list[float] = []
        self.users: dict[str, dict[str, str]] = {}
        self.seconds: dict[str, dict[int, list[int]]] = {}
        self.errors: Counter[str] = Counter()

    async def be_under_way(self) -> None:
        """The delay on the way in: a base and a log-normal part, in milliseconds."""
        base, median, sigma = self.delay
        if base or median:
            jitter = median * math.exp(self.random.gauss(0.0, sigma))
            await asyncio.sleep((base + jitter) / 1000)

    def judge(self, who: str) -> None:
        """Counts a call that arrives now, and refuses it if it is one too many."""
        now = time.monotonic()
        if self.began is None:
            self.began = now
            if self.other:
                self.others.add(asyncio.create_task(self.send_for_another()))
        while self.changes and now - self.began >= self.changes[0][0]:
            self.quota.limit = self.changes.popleft()[1]
        count, limit = self.quota.arrive(now), self.quota.limit
        second = self.seconds.setdefault(who, {}).setdefault(int(now - self.began), [0, 0])
        second[count > limit] += 1
        if count > limit:
            named = (
                f"Your current request times equals to `{count}` in a second, which exceeds the "
                f"frequency limit `{limit}` for a second. Please reduce the frequency of calls."
            )
            raise Refusal("RequestLimitExceeded", named if self.names_limit else "Too many requests.")

    async def send_for_another(self) -> None:
        """Another client of the account: so many calls a second, whatever becomes of them."""

        async def call() -> None:
            await self.be_under_way()
            try:
                self.judge("another")
            except Refusal:
                pass

        due = time.monotonic()
        while True:
            due += 1 / self.other
            await asyncio.sleep(due - time.monotonic())
            task = asyncio.create_task(call())
            self.others.add(task)
            task.add_done_callback(self.others.discard)

    async def modify(self, headers: Mapping[str, str], body: bytes) -> None:
        """The call itself. Whose it is, is what stands before the first dash of its UserId."""
        self.received.append(time.monotonic())
        verify(headers, body, time.time(), {SECRET_ID: SECRET_KEY}, "lcic")
        if headers.get("x-tc-action") != "ModifyUserProfile":
            raise Refusal("InvalidAction", "There is no such action here.")
        if headers.get("x-tc-version") != "2022-08-17":
            raise Refusal("NoSuchVersion", "There is no such version.")
        try:
            fields = json.loads(body)
        except ValueError:
            raise Refusal("InvalidParameter", "The body is not JSON.") from None
        if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
            raise Refusal("InvalidParameter", "The body is not an object of strings.")
        if unknown := fields.keys() - {"UserId", "Nickname", "Avatar"}:
            raise Refusal("UnknownParameter", f"The parameter `{min(unknown)}` is not defined.")
        user = fields.pop("UserId", "")
        if not user:
            raise Refusal("MissingParameter", "The parameter `UserId` is missing.")
        await self.be_under_way()
        self.judge(user.split("-")[0])
        self.users.setdefault(user, {}).update(fields)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection: one request after another, each answered before the next is read."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.split(":", 1) for line in head[1:] if line)
                headers = {name.lower(): value.strip() for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                response: dict[str, object] = {}
                try:
                    if not head[0].startswith("POST / "):
                        raise Refusal("UnsupportedProtocol", "Only POST / is served.")
                    await self.modify(headers, body)
                except Refusal as refusal:
                    self.errors[refusal.code] += 1
                    response["Error"] = {"Code": refusal.code, "Message": refusal.message}
                response["RequestId"] = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
                answer = json.dumps({"Response": response}).encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    + f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
                    + answer
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # The client has closed.
        finally:
            writer.close()

    def record(self) -> dict[str, object]:
        """What there is to tell in the end."""
        times, most, oldest = self.received, 0, 0
        for newest, at in enumerate(times):
            while times[oldest] <= at - 1:
                oldest += 1
            most = max(most, newest + 1 - oldest)
        return {
            "calls": len(times),
            "most_received_in_a_second": most,
            "errors": self.errors,
            "seconds": self.seconds,
            "users": self.users,
        }


async def run(args: argparse.Namespace) -> None:
    service = Service(args)
    server = await asyncio.start_server(service.serve, "127.0.0.1", args.port)
    print(server.sockets[0].getsockname()[1], flush=True)
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, done.set)
    await done.wait()
    json.dump(service.record(), sys.stdout)


def limits(text: str) -> list[tuple[float, int]]:
    return [(float(since), int(limit)) for since, limit in (part.split(":") for part in text.split(","))]


def main() -> None:
    parser = argparse.ArgumentParser(description="ModifyUserProfile on loopback, with a quota and a delay")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--window", choices=WINDOWS, default="fixed", help="what a second is")
    parser.add_argument("--refused-count", action="store_true", help="refused calls use up quota, too")
    parser.add_argument("--limits", type=limits, default="0:20", metavar="SECOND:LIMIT,…", help="from when on how much")
    parser.add_argument("--names-limit", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--delay", type=float, nargs=3, default=[0, 0, 0], metavar=("BASE", "MEDIAN", "SIGMA"))
    parser.add_argument("--other", type=float, default=0, metavar="N", help="another client's calls a second")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    # select() waits in microseconds, epoll (asyncio's choice) rounds up to whole milliseconds.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(run(args))


if __name__ == "__main__":
    main()
