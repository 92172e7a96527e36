"""The tables of the adaptive pace in real time: the program itself against `service.py`.

    cargo build --release
    chrt -f 20 python3 tests/official/pace.py --raw pace.jsonl alone another    # or all tables

Every cell is a service and one or two runs of their own, all cells of a table side by side; each
ends by `--max-duration`. Figures are those of the service's record. The program's own summary and
results must agree with it, or this fails. Cells are appended to the raw file, and the tables are
printed from all that it holds: the means over the seeds, in brackets the worst.

What is left out: the disk (state directories are on /dev/shm), TLS, and a network.
"""

import argparse
import asyncio
import csv
import json
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service import SECRET_ID, SECRET_KEY

HERE = Path(__file__).parent
SERVICE = [sys.executable, str(HERE / "service.py")]
TIME_UP = 5  # exit code: stopped early, as told
WINDOWS = {
    "fixed second": ["--window", "fixed"],
    "fixed, refused count": ["--window", "fixed", "--refused-count"],
    "token bucket": ["--window", "bucket"],
    "bucket, refused count": ["--window", "bucket", "--refused-count"],
    "sliding second": ["--window", "sliding"],
    "sliding, refused count": ["--window", "sliding", "--refused-count"],
}
LINES = {
    "none": ["--delay", "0", "0", "0"],
    "0.5 ms, σ 0.5": ["--delay", "0", "0.5", "0.5"],
    "20 + 2 ms, σ 0.8": ["--delay", "20", "2", "0.8"],
    "50 + 10 ms, σ 1.0": ["--delay", "50", "10", "1.0"],
}

Seconds = dict[str, list[int]]
"""Of each second, what was accepted and what was refused."""


def told(seconds: Seconds, since: int, until: int) -> tuple[int, int]:
    """Accepted and refused from one second until before another."""
    within = [seconds.get(str(second), [0, 0]) for second in range(since, until)]
    return sum(accepted for accepted, _ in within), sum(refused for _, refused in within)


def share(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def alone(ours: list[Seconds]) -> list[float]:
    # The first call goes alone, and what comes with it is no part of the pace.
    accepted, refused = told(ours[0], 1, 121)
    return [share(accepted, 20 * 120), share(refused, accepted + refused)]


def halved(within: int) -> Callable[[list[Seconds]], list[float]]:
    def figures(ours: list[Seconds]) -> list[float]:
        accepted, refused = told(ours[0], 60 + within, 120)
        back = (at - 180 for at in range(180, 305) if told(ours[0], at, at + 5)[0] >= 95)
        return [
            share(accepted, 10 * (60 - within)),
            share(refused, accepted + refused),
            next(back, float("inf")),
        ]

    return figures


def another(ours: list[Seconds]) -> list[float]:
    accepted, refused = told(ours[0], 30, 330)
    return [share(accepted, 12 * 300), share(refused, accepted + refused)]


def two(ours: list[Seconds]) -> list[float]:
    each = [told(seconds, 80, 320) for seconds in ours]
    accepted, refused = (sum(parts) for parts in zip(*each, strict=True))
    smaller = min(accepted for accepted, _ in each)
    return [share(accepted, 20 * 240), share(refused, accepted + refused), share(smaller, accepted)]


@dataclass(frozen=True)
class Table:
    """What is played, and what is read from its record."""

    title: str
    seconds: int
    service: list[str]
    figures: Callable[[list[Seconds]], list[float]]
    # Of each figure: how it is printed, and which of the seeds is the worst.
    shown: list[tuple[str, Callable[[Iterable[float]], float]]]
    runs_from: tuple[int, ...] = (0,)


ACCEPTED, REFUSED = ("{:.1f} ({:.1f})", min), ("{:.2f} ({:.2f})", max)
HALVED = ["--limits", "0:20,60:10,180:20"]
BACK = ("{:.0f} ({:.0f}) s", max)
TABLES = {
    "alone": Table("alone, 120 s: accepted / quota, refused", 125, [], alone, [ACCEPTED, REFUSED]),
    "named": Table(
        "20 -> 10 after 60 s, the limit named: accepted / 10 and refused from 3 s after on; back to 20: seconds until 19/s",
        310, HALVED, halved(3), [ACCEPTED, REFUSED, BACK],
    ),
    "unnamed": Table(
        "20 -> 10 after 60 s, the limit not named: accepted / 10 and refused from 10 s after on; back to 20: seconds until 19/s",
        310, [*HALVED, "--no-names-limit"], halved(10), [ACCEPTED, REFUSED, BACK],
    ),
    "another": Table(
        "another client takes 8/s: accepted / 12, refused, from 30 s on, over 300 s",
        332, ["--other", "8"], another, [ACCEPTED, REFUSED],
    ),
    "two": Table(
        "two runs, the second 20 s later: together / quota, refused, the smaller share, from 80 s on, over 240 s",
        322, [], two, [ACCEPTED, REFUSED, ("{:.0f} ({:.0f})", min)], (0, 20),
    ),
}  # fmt: skip


async def play(table: Table, window: str, line: str, seed: int, binary: str) -> dict[str, object]:
    """One cell with one seed."""
    arguments = [*SERVICE, *table.service, *WINDOWS[window], *LINES[line], "--seed", str(seed)]
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="pace-") as name:
        service = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE, limit=1 << 24)
        assert service.stdout
        endpoint = f"http://127.0.0.1:{int(await service.stdout.readline())}"
        begun = time.monotonic()
        runs = []
        for who, since in enumerate(table.runs_from):
            place = Path(name) / f"run{who}"
            place.mkdir()
            runs.append(apply(place, f"run{who}", endpoint, begun + since, begun + table.seconds, binary))
        runs_tell = await asyncio.gather(*runs)
        service.terminate()
        record = json.loads(await service.stdout.read())
        await service.wait()
    agree(record, runs_tell)
    ours = [record["seconds"][f"run{who}"] for who in range(len(runs))]
    return {
        "figures": table.figures(ours),
        "most_received": record["most_received_in_a_second"],
        "late": [summary["pace"]["late_wakeups"] for summary, _ in runs_tell],
        "seconds": record["seconds"],
    }


async def apply(
    place: Path, who: str, endpoint: str, begin: float, end: float, binary: str
) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """One run of the program: its summary, and the names that it says the service holds."""
    await asyncio.sleep(begin - time.monotonic())
    seconds = round(end - begin)
    names = {f"{who}-{n}": f"Name {n}" for n in range(21 * seconds)}
    with open(place / "users.csv", "w", encoding="utf-8") as file:
        csv.writer(file).writerows([("UserId", "Nickname"), *names.items()])
    process = await asyncio.create_subprocess_exec(
        binary, "apply", "--rate", "20", "--endpoint", endpoint, "--max-duration", f"{seconds}s",
        "--state-dir", str(place), "--quiet", "--no-progress", "users.csv",
        cwd=place, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TENCENTCLOUD_SECRET_ID": SECRET_ID, "TENCENTCLOUD_SECRET_KEY": SECRET_KEY},
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == TIME_UP, said.decode()
    report = place / "reports" / "latest"
    with open(report / "results.csv", encoding="utf-8", newline="") as file:
        applied = [row["UserId"] for row in csv.DictReader(file) if row["outcome"] == "applied"]
    return json.loads((report / "summary.json").read_text()), {user: names[user] for user in applied}


def agree(record: dict[str, Any], runs: list[tuple[dict[str, dict[str, int]], dict[str, str]]]) -> None:
    """What the runs say of themselves must be what the service saw."""
    calls = [summary["calls"] for summary, _ in runs]
    assert sum(of["total"] for of in calls) == record["calls"], (calls, record["calls"])
    assert record["errors"].keys() <= {"RequestLimitExceeded"}, record["errors"]
    assert sum(of["throttled"] for of in calls) == record["errors"].get("RequestLimitExceeded", 0)
    held = {user: fields["Nickname"] for user, fields in record["users"].items()}
    assert held == {user: name for _, names in runs for user, name in names.items()}


def print_tables(raw: Path) -> None:
    cells: dict[tuple[str, str, str], list[list[float]]] = defaultdict(list)
    for text in raw.read_text().splitlines():
        cell = json.loads(text)
        cells[cell["table"], cell["window"], cell["line"]].append(cell["figures"])
    for name, table in TABLES.items():
        if not any(key[0] == name for key in cells):
            continue
        print(f"\n**{table.title}**\n\n| window | {' | '.join(LINES)} |\n{'| --- ' * (1 + len(LINES))}|")
        for window in WINDOWS:
            columns = [shown(table, cells[name, window, line]) for line in LINES]
            print(f"| {window} | {' | '.join(columns)} |")


def shown(table: Table, seeds: list[list[float]]) -> str:
    figures = zip(table.shown, zip(*seeds, strict=True), strict=False)
    return " ".join(form.format(sum(of) / len(of), worst(of)) for (form, worst), of in figures)


class Watch(threading.Thread):
    """Notes by how much it wakes late at worst: so long the machine did nothing for anybody."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stood_still, self.is_over = 0.0, threading.Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            due = time.monotonic() + 0.01
            time.sleep(0.01)
            self.stood_still = max(self.stood_still, time.monotonic() - due)


async def main() -> None:
    parser = argparse.ArgumentParser(description="the pace's tables in real time")
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help="all by default")
    parser.add_argument("--seeds", default="1", help="like 1,2,3; one after another")
    parser.add_argument("--windows", default=";".join(WINDOWS), help="only these, by ;")
    parser.add_argument("--lines", default=";".join(LINES), help="only these, by ;")
    parser.add_argument("--binary", default=str(HERE.parent.parent / "target/release/lcic-sync"))
    parser.add_argument("--raw", type=Path, default=Path("pace.jsonl"))
    args = parser.parse_args()
    for seed in map(int, args.seeds.split(",")):
        for name in args.tables or TABLES:
            keys = [(window, line) for window in args.windows.split(";") for line in args.lines.split(";")]
            plays = (play(TABLES[name], *key, seed, args.binary) for key in keys)
            watch = Watch()
            watch.start()
            cells = await asyncio.gather(*plays)
            watch.is_over.set()
            print(f"{name}, seed {seed}: the machine stood still for up to {1000 * watch.stood_still:.0f} ms")
            with open(args.raw, "a", encoding="utf-8") as raw:
                for (window, line), played in zip(keys, cells, strict=True):
                    cell = {"table": name, "window": window, "line": line, "seed": seed, **played}
                    raw.write(json.dumps(cell) + "\n")
    print_tables(args.raw)


if __name__ == "__main__":
    asyncio.run(main())
