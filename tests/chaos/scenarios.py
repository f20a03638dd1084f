"""All scenarios."""

from functools import partial
from typing import Final

from tests.chaos import environment_faults, process_faults, server_faults
from tests.chaos.play import Scenario

# Also part of `make test`: a kill of each part, cut connections and a full disk.
TEST_SCENARIOS: Final = (
    Scenario("worker killed in the middle of a job", process_faults.kill_worker_during_job),
    Scenario("API killed under load", process_faults.kill_api_under_load),
    Scenario("Valkey killed", partial(server_faults.lose_queue, loss="killed")),
    Scenario("PostgreSQL stopped at once", server_faults.stop_postgres),
    Scenario("connections cut", partial(server_faults.cut_connections, seconds=2)),
    Scenario("disk of the store full", environment_faults.fill_disk),
)

SCENARIOS: Final = (
    *TEST_SCENARIOS,
    Scenario("worker killed again and again", process_faults.kill_worker_twice),
    Scenario("relay killed between mark and send", process_faults.kill_relay_before_send),
    Scenario("Valkey flushed", partial(server_faults.lose_queue, loss="flushed")),
    Scenario("Valkey restarted empty", partial(server_faults.lose_queue, loss="emptied")),
    Scenario("Valkey stopped", server_faults.stop_valkey),
    Scenario("Valkey hangs", server_faults.freeze_valkey),
    Scenario("clock shifted by an hour", environment_faults.shift_clock),
    Scenario("provider hangs, answers nonsense, is late", environment_faults.break_provider),
    Scenario(
        "job that kills its process, last attempts",
        partial(process_faults.crashing_job, losses=8, skip_delays=True),
    ),
    Scenario(
        "job that kills its process",
        partial(process_faults.crashing_job, losses=0, skip_delays=False),
    ),
    Scenario("Valkey broken at random, 30 s", server_faults.break_valkey_at_random),
    Scenario("PostgreSQL restarted at random, 30 s", server_faults.restart_postgres_at_random),
    Scenario("connections cut, 30 s", partial(server_faults.cut_connections, seconds=30)),
    Scenario(
        "everything killed at random, 60 s", process_faults.kill_everything_at_random, workers=2
    ),
    Scenario("children of gateway up killed, 30 s", process_faults.kill_children_of_up),
    Scenario(
        "10,000 jobs, a kill every 2 s", process_faults.kill_workers_of_ten_thousand_jobs, workers=2
    ),
)
