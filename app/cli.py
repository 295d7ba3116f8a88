"""The command line, `frauddesk`.

Results go to stdout (with --json one JSON object and nothing else), progress and logs to stderr. Exit code 0 is done,
1 failed, 2 wrong usage or bad input. Every expected error is one line that names the file, column or setting and the
fix; with FRAUDDESK_LOG_LEVEL=DEBUG the traceback follows.
"""

import sys

import typer

from app.commands import documents, measure, models, records, schedule, service, transactions, users

cli = typer.Typer(
    name="frauddesk",
    help="A fraud analyst's desk: scored payments, reasons, similar closed cases, answers with citations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (service, transactions, models, documents, measure, schedule, users, records):
    part.register(cli)


def main() -> None:
    """Run the command line; translate every error into one line and an exit code."""
    try:
        cli()
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished is kept", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe (head, less) closed it: not an error of ours.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        from app.failures import report

        sys.exit(report(error))


if __name__ == "__main__":
    main()
