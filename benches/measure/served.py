"""A contest of servers, each with the same jobs from the same clients."""

import contextlib

from clients import CopyTo, random_file, same_content
from contest import Contest, in_turn
from server import Server


def contest_of_servers(what, ours, peers, jobs, extent):
    """The rows of all jobs. In each round all sides are served anew, and take turns in each job."""
    contests = [Contest(f"{what}: {job.what}", job.unit, ours, peers) for job in jobs]
    numbers = [{side.name: [] for side in contest.sides} for contest in contests]
    sides = contests[0].sides
    for round_number in range(extent.server_rounds if sides else 0):
        with contextlib.ExitStack() as stack:
            servers = {side.name: stack.enter_context(Server(side)) for side in sides}
            for turn, job in enumerate(jobs):
                for side in in_turn(sides, round_number + turn):
                    numbers[turn][side.name].append(job.run(servers[side.name], extent))
                if turn == 0 and round_number == 0:
                    check(list(servers.values()), job, extent)
    for contest, rounds in zip(contests, numbers):
        yield from contest.rows(rounds)


def check(servers, job, extent):
    """After the first job: that all disks have what was written to them, or all the same."""
    servers = [server for server in servers if server.side.same_disk]
    first = random_file(extent.disk) if isinstance(job, CopyTo) else servers[0]
    for server in servers if isinstance(job, CopyTo) else servers[1:]:
        if not same_content(server, first):
            raise RuntimeError(f"the disk of {server.side.name} does not read as it should")
