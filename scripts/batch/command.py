"""One run of the script: reads or draws the orders, then checks, quotes or places them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from secrets import token_hex

import aiohttp
import click
from rich.console import Console

from batch.order_file import check_values, read_orders
from batch.orders import (
    InvalidInput,
    OrderGenerator,
    OrderList,
    assign_client_order_ids,
    parse_amount_range,
    parse_weighted_values,
)
from batch.process import INVALID_EXIT, UNEXPECTED_EXIT, describe_early_end, run_until_stopped
from batch.progress import BatchProgress, display_progress, print_summary
from batch.quotes import BatchQuotes, print_quotes
from batch.results import (
    ResultFile,
    build_rows,
    describe_differences,
    describe_refusals,
    open_result_file,
)
from batch.server import check_server, connect, read_differences
from batch.submitter import BatchSubmitter


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    url: str
    key: str | None
    file: str | None
    check: bool
    skip_faulty: bool
    dry_run: bool
    out: str | None
    again: bool
    run: str
    count: int
    pair: tuple[str, ...]
    type: tuple[str, ...]
    side: str
    amount: str
    slippage_bps: int | None
    max_price_impact_bps: int | None
    min_amount_out: str | None
    seed: int
    concurrency: int
    batch_size: int
    timeout: int
    expect: str
    watch: bool
    as_json: bool


class BatchCommand:
    """One run of the script: reads or draws the orders, then checks, quotes or places them."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._notices = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
        self._orders = self._load_orders()
        self._own_names = sum("clientOrderId" in order for order in self._orders.orders)
        self._run = options.run or (token_hex(4) if options.again else "")
        if self._run and self._own_names:
            raise InvalidInput(
                f"{self._own_names:,} orders have a clientOrderId of their own, which names an"
                " order for good: give them other ones to place them anew"
            )
        self._batch_key = assign_client_order_ids(self._orders.orders, options.seed, self._run)

    def _load_orders(self) -> OrderList:
        options = self._options
        if options.file is not None:
            return read_orders(options.file)
        low, high = parse_amount_range(options.amount)
        generator = OrderGenerator(
            options.count,
            parse_weighted_values(options.pair),
            parse_weighted_values(options.type),
            options.side,
            low,
            high,
            options.slippage_bps,
            options.min_amount_out,
            options.max_price_impact_bps,
        )
        return generator.generate(options.seed)

    def check(self) -> int:
        """Check the form of every order; returns the exit code."""
        faults, count = check_values(self._orders), len(self._orders.orders)
        if faults.count:
            self._say(faults.describe())
        if self._options.as_json:
            click.echo(json.dumps({"orders": count, "faults": faults.count}))
        else:
            many = f"{faults.count:,} values are wrong"
            wrong = "1 value is wrong" if faults.count == 1 else many
            orders = "1 order" if count == 1 else f"{count:,} orders"
            click.echo(
                f"{orders}: {wrong if faults.count else 'no fault found'} (tokens and prices are"
                " known to the server only: --dry-run asks it); nothing was sent"
            )
        return INVALID_EXIT if faults.count else 0

    async def quote(self) -> int:
        """Quote every order and place none; returns the exit code."""
        options = self._options
        async with self._connect() as http:
            quotes = BatchQuotes(http, self._orders)

            async def work() -> None:
                await check_server(http, options.url)
                await quotes.request(options.concurrency)

            with open_result_file(options.out, options.file) as result_file:
                code = await run_until_stopped(work(), options.timeout)
                if result_file is not None:
                    result_file.write(quotes.build_rows())
        for line in describe_refusals(quotes.build_rows(), self._orders.noun, options.out):
            self._say(line)
        if code:
            self._say("stopped before every order was quoted; nothing was placed")
        summary = quotes.build_summary()
        if options.as_json:
            click.echo(json.dumps(summary))
        else:
            print_quotes(summary, Console())
        return code or (0 if quotes.are_complete else UNEXPECTED_EXIT)

    async def place(self) -> int:
        """Place the orders and follow them to their ends; returns the exit code."""
        options = self._options
        if not options.skip_faulty:
            self._require_valid_values()
        progress = BatchProgress(len(self._orders.orders), watches_waiting=options.watch)
        began_s = time.monotonic()
        with open_result_file(options.out, options.file) as result_file:
            async with self._connect() as http:
                work = self._submit(http, progress)
                code = await run_until_stopped(work, options.timeout)
                differences = [] if code else await read_differences(http)
            self._report(progress, result_file, code)
        summary = progress.build_summary(time.monotonic() - began_s)
        if options.as_json:
            click.echo(json.dumps(summary))
        else:
            print_summary(summary, Console())
        if difference := describe_differences(differences, time.time_ns()):
            self._say(difference)
        is_expected = progress.has_expected_outcome(options.expect)
        return code or (0 if is_expected else UNEXPECTED_EXIT)

    def _require_valid_values(self) -> None:
        faults = check_values(self._orders)
        if faults.count:
            wrong = "1 value is" if faults.count == 1 else f"{faults.count:,} values are"
            raise InvalidInput(
                f"{wrong} wrong, nothing was sent (--skip-faulty places the other"
                f" {self._orders.noun}s)\n{faults.describe()}"
            )

    async def _submit(self, http: aiohttp.ClientSession, progress: BatchProgress) -> None:
        options = self._options
        await check_server(http, options.url)
        if options.again:
            self._say(f"New orders: --run {self._run} in place of --again follows them.")
        submitter = BatchSubmitter(
            http, self._orders, self._batch_key, progress, self._say_placed_before
        )
        async with display_progress(progress, self._notices):
            await submitter.run(batch_size=options.batch_size, concurrency=options.concurrency)

    def _say_placed_before(self) -> None:
        anew = "other clientOrderIds place" if self._own_names else "--again places all of"
        self._say(
            "This command ran before: orders that it placed are followed, none is placed twice."
            f" To place anew: {anew} them."
        )

    def _report(self, progress: BatchProgress, result_file: ResultFile | None, code: int) -> None:
        if result_file is not None:
            result_file.write(build_rows(self._orders, progress))
        rows = build_rows(self._orders, progress)
        for line in describe_refusals(rows, self._orders.noun, self._options.out):
            self._say(line)
        if code:
            is_new = self._options.again
            command = "the same command" + (f" with --run {self._run}" if is_new else "")
            again = f"{command} in place of --again" if is_new else command
            self._say(describe_early_end(code, self._options.timeout, progress, again))

    def _connect(self) -> aiohttp.ClientSession:
        options = self._options
        return connect(options.url, options.key, options.concurrency)

    def _say(self, text: str) -> None:
        self._notices.print(text)
