"""`gateway import`: options, outputs, exit codes, interrupts and memory."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domains.kernel.db.database import Database
from tests.cli.run_import import CALL, DEAL, MAIL, PAPER, Importer, deal, get_record
from tests.revenue import push_records
from tests.stack import Tenant, eventually


async def test_strict_stops_at_the_first_bad_line(importer: Importer, acme: Tenant) -> None:
    path = importer.write_jsonl([deal(1), deal(2, amount="x"), deal(3), deal(4, amount="x")])
    result = await importer.run(acme, path, "--strict", "--json")
    assert (result.code, result.counts) == (1, (1, 0, 1))
    assert list(result.refusals(path)) == [2]
    assert await push_records.listed_ids(acme, "deals") == ["d1"]


async def test_a_dry_run_counts_and_stores_nothing(importer: Importer, acme: Tenant) -> None:
    await importer.import_records(acme, deals=[deal(1, name="one"), deal(2)])
    call, product = CALL, {"kind": "product", "id": CALL["conversationId"], "name": "P"}
    path = importer.write_jsonl([deal(1, name="One"), deal(2), deal(3), call, MAIL, PAPER, product])
    result = await importer.run(acme, path, "--dry-run")
    assert (result.code, result.err) == (0, "")
    assert result.out == "Would be stored: 6; unchanged: 1; refused: 0\n"
    assert sorted(await push_records.listed_ids(acme, "deals")) == ["d1", "d2"]
    assert (await get_record(acme, "deals", "d1"))["name"] == "one"
    for kind in ("conversations", "messages", "documents"):
        assert await push_records.listed_ids(acme, kind) == []
    assert await acme.get("products") == []


async def test_at_most_a_thousand_refusals_are_reported(importer: Importer, acme: Tenant) -> None:
    path = importer.write_file("x.jsonl", b"{\n" * 2345)
    result = await importer.run(acme, path, "--json")
    assert (result.code, result.counts) == (1, (0, 0, 2345))
    *reported, last = result.err.splitlines()
    assert [line.split(":")[1] for line in reported] == [str(number) for number in range(1, 1001)]
    assert last == "... and 1,345 more lines were refused"


async def test_control_characters_of_a_file_do_not_reach_the_terminal(
    importer: Importer, acme: Tenant
) -> None:
    path = importer.write_jsonl([{**CALL, "type": "\x1b[2J[red]\u202e"}])
    result = await importer.run(acme, path)
    assert result.code == 1
    assert not {"\x1b", "\u202e"} & set(result.err)


async def test_the_error_of_an_import_that_cannot_begin_is_one_sentence(
    importer: Importer, acme: Tenant
) -> None:
    path = importer.write_jsonl([deal(1)])
    missing = importer.gateway.folder / "nowhere.json"
    for files in ([missing], [path, missing], [importer.gateway.folder]):
        result = await importer.run(acme, *files)
        assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
        assert f"{files[-1]} cannot be read" in result.err
    assert await push_records.listed_ids(acme, "deals") == []
    result = await importer.run("nobody's", path)
    assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert "There is no workspace" in result.err
    assert (await importer.run(acme)).code == 2
    assert (await importer.run(acme, path, "--wet-run")).code == 2


async def test_a_workspace_is_found_by_name(importer: Importer, acme: Tenant) -> None:
    result = await importer.run(acme.name, importer.write_jsonl([deal(1)]), "--json")
    assert result.counts == (1, 0, 0)
    assert await push_records.listed_ids(acme, "deals") == ["d1"]


def _command(
    importer: Importer,
    tenant: Tenant,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    **streams: Any,
) -> Any:
    """Start the command as a process, with more variables in its environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "import", "--workspace", tenant.workspace, *arguments],
        env=importer.gateway.changed_environment(**(variables or {})),
        cwd=importer.gateway.folder,
        # Children of background processes ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        **streams,
    )


async def test_a_hyphen_reads_standard_input(importer: Importer, acme: Tenant) -> None:
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    text = json.dumps(deal(1)) + "\n{\n"
    process = _command(importer, acme, "-", "--json", **pipes)
    out, err = await asyncio.to_thread(process.communicate, text.encode(), 60)
    assert process.returncode == 1
    assert json.loads(out) == {
        "stored": 1,
        "unchanged": 0,
        "refused": 1,
        "skipped": 0,
        "dryRun": False,
    }
    assert err.decode() == "-:2: is not valid JSON in UTF-8\n"
    assert await push_records.listed_ids(acme, "deals") == ["d1"]


async def test_the_order_of_lines_holds_across_batches(importer: Importer, acme: Tenant) -> None:
    records = [deal(number % 20, name=f"line {number + 1}") for number in range(12_000)]
    refused = (0, 2_500, 7_000, 11_999)
    for number in refused:
        records[number] = {"kind": "deal", "name": "without an id"}
    path = importer.write_jsonl(records)
    result = await importer.run(acme, path, "--json")
    assert sum(result.counts) == 12_000
    assert list(result.refusals(path)) == [number + 1 for number in refused]
    for number in range(19):
        name = (await get_record(acme, "deals", f"d{number}"))["name"]
        assert name == f"line {11_980 + number + 1}"


async def test_an_interrupted_import_has_stored_complete_batches(
    importer: Importer, acme: Tenant, database: Database
) -> None:
    lines = [json.dumps(deal(number, **{**DEAL, "dealId": f"d{number}"})) for number in range(7000)]

    async def count() -> int:
        async with database.connection() as connection:
            stored: int = await connection.fetchval(
                "select count(*) from deals where workspace_id = $1", UUID(acme.workspace)
            )
        return stored

    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = _command(importer, acme, "-", **pipes)
    try:
        await asyncio.to_thread(process.stdin.write, ("\n".join(lines)).encode())
        # The command still waits for the rest of its input when it is interrupted.
        await asyncio.to_thread(process.stdin.flush)
        await eventually(count)
        process.send_signal(signal.SIGINT)
        await asyncio.to_thread(process.wait, 30)
        err = process.stderr.read().decode()
    finally:
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        process.wait()
    stored = await count()
    assert stored in (3000, 6000)
    assert process.returncode == 1
    assert f"Interrupted: {stored:,} records are stored." in err
    assert "Traceback" not in err


async def test_a_terminal_shows_a_progress_bar(importer: Importer, acme: Tenant) -> None:
    path = importer.write_jsonl([deal(number) for number in range(3000)])
    reading, writing = pty.openpty()
    terminal = {"TERM": "xterm", "COLUMNS": "120"}
    process = _command(
        importer, acme, str(path), stdout=subprocess.PIPE, stderr=writing, variables=terminal
    )
    os.close(writing)

    def read_terminal() -> bytes:
        output = b""
        try:
            while piece := os.read(reading, 65536):
                output += piece
        except OSError:
            # Reading fails once the other end is closed.
            pass
        return output

    shown = (await asyncio.to_thread(read_terminal)).decode()
    out, _ = process.communicate(timeout=60)
    os.close(reading)
    assert out.decode() == "Stored: 3,000; unchanged: 0; refused: 0\n"
    assert "Importing" in shown
    assert "3,000 records" in shown


# Reads and checks files as the command does. Prints each file's records and peak memory in kB.
READ = """
import sys, threading
from pathlib import Path
from gateway.cli.importing.batches import read_batches
from gateway.cli.importing.files import InputFile
stop = threading.Event()
for path in sys.argv[1:]:
    batches = read_batches([InputFile(Path(path), stop)], [], False, stop)
    print(sum(len(batch.records) - 1000000 * len(batch.refused) for batch in batches))
    status = open("/proc/self/status")
    print(next(line for line in status if line.startswith("VmHWM")).split()[1])
"""
# Name -> the start of the file, a record, the end of the file.
FORMATS = {
    "x.jsonl": ("", '{{"kind":"deal","dealId":"{0}","name":"{0}","other":"{1}"}}\n', ""),
    "x.json": (
        '{"deals":[',
        '{{"dealId":"{0}","name":"{0}","other":"{1}"}},\n',
        '{"dealId":"x"}]}',
    ),
    "x.csv": ("Deal ID,Deal Name,Other\n", "{0},{0},{1}\n", ""),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by /proc")
async def test_a_large_file_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    paths = []
    for count in (2_000, 14_000):
        for name, (start, record, end) in FORMATS.items():
            paths.append(tmp_path / f"{count}-{name}")
            with paths[-1].open("w", encoding="utf-8") as file:
                file.write(start)
                file.writelines(record.format(number, "text " * 600) for number in range(count))
                file.write(end)
    process = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", READ, *map(str, paths)],
        capture_output=True,
        check=True,
    )
    printed = list(map(int, process.stdout.split()))
    counts, peaks = printed[::2], printed[1::2]
    assert counts == [2_000, 2_001, 2_000, 14_000, 14_001, 14_000]
    # The small files have 6 MB each, the large ones 42.
    assert all(path.stat().st_size > 40_000_000 for path in paths[3:])
    assert peaks[-1] < peaks[2] + 10_000
