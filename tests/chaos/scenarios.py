"""All scenarios."""

from functools import partial
from typing import Final

from tests.chaos.faults import (
    database,
    deployments,
    disks,
    environment,
    frozen,
    links,
    outages,
    processes,
    servers,
)
from tests.chaos.play import Scenario

_on_few: Final = partial(Scenario, servers=deployments.FEW)
_on_many: Final = partial(Scenario, servers=deployments.MANY)

# Also part of `make test`: a kill of each part, cut connections, a full disk, several servers.
TEST_SCENARIOS: Final = (
    Scenario("worker killed in the middle of a job", processes.kill_worker_during_job),
    Scenario("API killed under load", processes.kill_api_under_load),
    Scenario("Valkey killed", partial(servers.lose_queue, loss="killed")),
    Scenario("PostgreSQL stopped at once", servers.stop_postgres),
    Scenario("connections cut", partial(servers.cut_connections, seconds=2)),
    Scenario("disk of the store full", environment.fill_disk),
    _on_few("two servers: rate limit", deployments.exhaust_rate_limit),
    _on_few("two servers: repeated requests", partial(deployments.repeat_requests, rounds=2)),
    _on_few("two servers: revoked keys", partial(deployments.revoke_keys, brief=True)),
    _on_few("two servers: rolling restart", partial(deployments.restart_in_turn, rounds=1)),
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
    Scenario("started before Valkey", outages.start_before_valkey),
    Scenario("object store unavailable", outages.lose_store),
    Scenario("speech service unavailable", outages.lose_speech_service),
    Scenario("clock shifted by an hour", environment.shift_clock),
    Scenario("provider hangs, answers nonsense, is late", environment.break_provider),
    Scenario("job that kills its process", processes.run_crashing_job),
    Scenario("Valkey broken at random, 15 s", partial(servers.break_valkey_at_random, seconds=15)),
    Scenario(
        "PostgreSQL restarted at random, 15 s",
        partial(servers.restart_postgres_at_random, seconds=15),
    ),
    Scenario("connections cut, 15 s", partial(servers.cut_connections, seconds=15)),
    Scenario(
        "everything killed at random, 30 s",
        partial(processes.kill_everything_at_random, seconds=30),
        workers=2,
    ),
    Scenario(
        "children of gateway up killed, 20 s", partial(processes.kill_children_of_up, seconds=20)
    ),
    Scenario("PgBouncer in transaction mode", links.pool_with_pgbouncer),
    Scenario("API frozen", frozen.freeze_api),
    Scenario("one of several API processes frozen", frozen.freeze_one_api_process),
    Scenario("worker frozen", frozen.freeze_worker),
    Scenario("disk of PostgreSQL full", disks.fill_disk_of_postgres),
    Scenario("disk of the logs full", disks.fill_disk_of_logs),
    Scenario("all disks full", disks.fill_all_disks),
    Scenario(
        "10,000 jobs, a kill every 3 s", processes.kill_workers_of_ten_thousand_jobs, workers=2
    ),
    _on_many("three processes: rate limit", deployments.exhaust_rate_limit),
    _on_many("three processes: repeated", partial(deployments.repeat_requests, rounds=10)),
    _on_many("three processes: revoked keys", partial(deployments.revoke_keys, brief=False)),
    _on_many("three processes: rolling restart", partial(deployments.restart_in_turn, rounds=2)),
)
