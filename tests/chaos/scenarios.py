"""All scenarios."""

from functools import partial
from typing import Final

from tests.chaos.faults import (
    database,
    disks,
    environment,
    frozen,
    links,
    processes,
    servers,
)
from tests.chaos.play import Scenario

# Also part of `make test`: a kill of each part, cut connections and a full disk.
TEST_SCENARIOS: Final = (
    Scenario("worker killed in the middle of a job", processes.kill_worker_during_job),
    Scenario("API killed under load", processes.kill_api_under_load),
    Scenario("Valkey killed", partial(servers.lose_queue, loss="killed")),
    Scenario("PostgreSQL stopped at once", servers.stop_postgres),
    Scenario("connections cut", partial(servers.cut_connections, seconds=2)),
    Scenario("disk of the store full", environment.fill_disk),
)

SCENARIOS: Final = (
    *TEST_SCENARIOS,
    Scenario("worker killed again and again", processes.kill_worker_twice),
    Scenario("relay killed between mark and send", processes.kill_relay_before_send),
    Scenario("Valkey flushed", partial(servers.lose_queue, loss="flushed")),
    Scenario("Valkey restarted empty", partial(servers.lose_queue, loss="emptied")),
    Scenario("Valkey stopped", servers.stop_valkey),
    Scenario("Valkey hangs", servers.freeze_valkey),
    Scenario("PostgreSQL frozen", database.freeze_postgres),
    Scenario("started before PostgreSQL", database.start_before_postgres),
    Scenario("clock shifted by an hour", environment.shift_clock),
    Scenario("provider hangs, answers nonsense, is late", environment.break_provider),
    Scenario(
        "job that kills its process, last attempts",
        partial(processes.crashing_job, losses=8, skip_delays=True),
    ),
    Scenario(
        "job that kills its process",
        partial(processes.crashing_job, losses=0, skip_delays=False),
    ),
    Scenario("Valkey broken at random, 30 s", servers.break_valkey_at_random),
    Scenario("PostgreSQL restarted at random, 30 s", servers.restart_postgres_at_random),
    Scenario("connections cut, 30 s", partial(servers.cut_connections, seconds=30)),
    Scenario("PgBouncer in transaction mode", links.pool_with_pgbouncer),
    Scenario("everything killed at random, 60 s", processes.kill_everything_at_random, workers=2),
    Scenario("children of gateway up killed, 30 s", processes.kill_children_of_up),
    Scenario("API frozen", frozen.freeze_api),
    Scenario("one of several API processes frozen", frozen.freeze_one_api_process),
    Scenario("worker frozen", frozen.freeze_worker),
    Scenario("disk of PostgreSQL full", disks.fill_disk_of_postgres),
    Scenario("disk of the logs full", disks.fill_disk_of_logs),
    Scenario("all disks full", disks.fill_all_disks),
    Scenario(
        "10,000 jobs, a kill every 2 s", processes.kill_workers_of_ten_thousand_jobs, workers=2
    ),
)
