"""All scenarios."""

from functools import partial
from typing import Final

from tests.chaos.faults import environment, outages, processes, servers
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
    Scenario("started before Valkey", outages.start_before_valkey),
    Scenario("object store unavailable", outages.lose_store),
    Scenario("speech service unavailable", outages.lose_speech_service),
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
    Scenario("everything killed at random, 60 s", processes.kill_everything_at_random, workers=2),
    Scenario("children of gateway up killed, 30 s", processes.kill_children_of_up),
    Scenario(
        "10,000 jobs, a kill every 2 s", processes.kill_workers_of_ten_thousand_jobs, workers=2
    ),
)
