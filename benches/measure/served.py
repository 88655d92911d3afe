"""A contest of servers, each with the same jobs from the same clients."""

import contextlib
import dataclasses

from clients import CopyTo, same_content
from contest import Contest, in_turn
from server import Server


def contest_of_servers(what, ours, peers, jobs, extent):
    """The rows of all jobs. In each round all sides are served anew, and take turns in each job."""
    contests = [contest_of(job, what, ours, peers) for job in jobs]
    speeds = [{side.name: [] for side in contest.sides} for contest in contests]
    times = [{side.name: [] for side in contest.sides} for contest in contests]
    sides = contests[0].sides
    for round_number in range(extent.server_rounds if sides else 0):
        with contextlib.ExitStack() as stack:
            servers = {side.name: stack.enter_context(Server(side)) for side in sides}
            for turn, job in enumerate(jobs):
                for side in in_turn(sides, round_number + turn):
                    speed, time = run(job, servers[side.name], extent)
                    speeds[turn][side.name].append(speed)
                    times[turn][side.name].append(time)
                if turn == 0 and round_number == 0:
                    check(list(servers.values()), job, extent)
    for job, contest, its_speeds, its_times in zip(jobs, contests, speeds, times):
        yield from contest.rows(its_speeds)
        if job.counts_requests:
            yield from of_processor_time(contest).rows(its_times)


def contest_of(job, what, ours, peers):
    contest = Contest(f"{what}: {job.what}", job.unit, ours, peers)
    return contest if job.has_aim else contest.without_aims()


def run(job, server, extent):
    """How fast it was, and the server's processor time per request in µs, if they are counted."""
    before = server.processor_time
    speed, requests = job.run(server, extent)
    seconds = server.processor_time - before
    return speed, seconds * 1e6 / requests if requests else None


def of_processor_time(contest):
    """The same contest, about the server's time on a processor. It has no aim."""
    what = f"{contest.what}: processor time"
    return dataclasses.replace(contest.without_aims(), what=what, unit="µs/request")


def check(servers, job, extent):
    """After the first job: that all disks have what was written to them, or all the same."""
    servers = [server for server in servers if server.side.same_disk]
    if not servers:
        return
    first = job.source(extent) if isinstance(job, CopyTo) else servers[0]
    for server in servers if isinstance(job, CopyTo) else servers[1:]:
        if not same_content(server, first):
            raise RuntimeError(f"the disk of {server.side.name} does not read as it should")
