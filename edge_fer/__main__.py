"""The command line: `edge-fer COMMAND`, or `python -m edge_fer COMMAND`.

The only place that configures logging and exits. Commands import what they need when they run, so that `--help`
answers at once on a Zero 2 W.
"""

import argparse
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING

from edge_fer import __version__, arguments, evaluate
from edge_fer.errors import ConfigError, EdgeFerError, ModelError
from edge_fer.journal import is_journal, log_handler

if TYPE_CHECKING:
    from edge_fer.config import Config

EXIT_CODES = """\
exit codes:
  0  done; for run, demo, watch and simulate also when SIGTERM or SIGINT stopped them
  1  something cannot be used: camera, model, broker, data; one sentence on stderr says what and what would be right
  2  the command line or the configuration is wrong; every problem is listed as file:line: key: problem
  3  service status: a service is not installed, does not run, or has a wrong configuration
  130, 143  any other command was stopped by SIGINT or SIGTERM before it was done
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    args = make_parser().parse_args(argv)
    try:
        return _carry_out(args)
    except EdgeFerError as error:
        _complain(f"edge-fer: {error}" if error.exit_code == 1 else str(error))
        return error.exit_code
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        _drop_output()
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception:
        if not is_journal(sys.stderr, os.environ):
            raise
        logging.getLogger("edge_fer").critical("Ended by a bug, please report it", exc_info=True)
        return 1


def _carry_out(args: argparse.Namespace) -> int:
    """Run the command; its exit code.

    Raises:
        EdgeFerError: among others, that standard output takes no more.
    """
    try:
        code = int(args.run(args))
        print(end="", flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        try:
            print(end="", flush=True)  # fails again if it was this that failed
        except OSError as error:
            _drop_output()
            raise EdgeFerError(f"standard output cannot be written: {error.strerror}") from error
        raise
    return code


def _drop_output() -> None:
    """Let what is still to be written vanish, or Python would complain when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str) -> None:
    """On standard error; where that is the journal, each line as an error (sd-daemon(3))."""
    prefix = "<3>" if is_journal(sys.stderr, os.environ) else ""
    print("\n".join(prefix + line for line in text.splitlines()), file=sys.stderr)


def make_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(
        prog="edge-fer",
        description="Says which emotion each face before a camera shows, live, on the device, over MQTT.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edge-fer {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")
        added.set_defaults(run=globals()[f"_{name}"])
        return added

    run = command("run", "run the daemon, exactly as the configuration says")
    _add_config(run)
    run.add_argument("--stdout", action="store_true", help="print the readings as JSON lines, too")
    command("demo", "show what it does: webcam or a clip, any broker or an own one, live page")
    check = command("check", "look whether camera, model and broker work, and how fast")
    _add_config(check)
    check.add_argument("--json", action="store_true", help="print the findings as JSON")
    bench = command("bench", "measure frames per second, latency and memory on this machine")
    _add_bench(bench)
    watch = command("watch", "show all devices on a broker, live")
    _add_config(watch)
    watch.add_argument("--host", help="the broker, if not the configured one")
    watch.add_argument("--port", type=arguments.port, help="its port, likewise")
    watch.add_argument("--seconds", type=arguments.seconds, default=float("inf"), help="how long (until Ctrl-C)")
    forget = command("forget", "have the broker forget a device that is gone or has another name by now")
    forget.add_argument("name", metavar="DEVICE", help="its name in topics")
    _add_config(forget)
    forget.add_argument("--dry-run", action="store_true", help="list what the broker keeps of it, and clear nothing")
    simulate = command("simulate", "publish what many devices would, to see what a broker bears")
    _add_config(simulate)
    simulate.add_argument("--devices", type=arguments.count, default=10, metavar="N", help="how many (%(default)s)")
    simulate.add_argument("--faces", type=arguments.count, default=1, metavar="M", help="in view of each (%(default)s)")
    simulate.add_argument("--seconds", type=arguments.seconds, default=float("inf"), help="how long (until Ctrl-C)")
    config = command("config", "print the effective configuration, its schema or what is wrong with it")
    _add_config(config)
    what = config.add_mutually_exclusive_group(required=True)
    what.add_argument("--print", action="store_true", help="the effective configuration as YAML, secrets masked")
    what.add_argument("--schema", action="store_true", help="the JSON Schema, for editors")
    what.add_argument("--check", action="store_true", help="nothing, if it is right; else every problem, exit code 2")
    predict = command("predict", "judge the faces in images and videos")
    predict.add_argument("paths", nargs="+", type=Path, metavar="IMAGE|VIDEO|FOLDER")
    _add_config(predict)
    predict.add_argument("--json", action="store_true", help="print one JSON object per image or frame")
    predict.add_argument(
        "--annotate",
        type=Path,
        metavar="FOLDER",
        help="write copies with the faces drawn in there, in place of files of the same name",
    )
    evaluated = commands.add_parser(
        "evaluate", help="score a model on labelled face pictures", description="Score a model on labelled pictures."
    )
    evaluate.add_arguments(evaluated)
    evaluated.set_defaults(run=evaluate.run)
    password = command("password", "hash a password for the live page, typed at the terminal")
    password.add_argument("--token", action="store_true", help="make a random token for scripts instead")
    models = command("models", "fetch, list or verify the detector files that are not shipped")
    models.add_argument("action", choices=["pull", "list", "verify"])
    _add_service(command("service", "install the daemon as a systemd service, remove it, or see how it does"))
    return parser


def _add_service(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["install", "uninstall", "status"])
    parser.add_argument("--config", type=Path, metavar="FILE", help="install: run with a copy of this configuration")
    parser.add_argument("--instance", metavar="NAME", help="one of several cameras: edge-fer@NAME")
    parser.add_argument("--purge", action="store_true", help="uninstall: configurations and secrets as well")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="FOLDER", help="a system's tree that is not running"
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML configuration (default: all defaults)")


def _add_bench(bench: argparse.ArgumentParser) -> None:
    _add_config(bench)
    bench.add_argument(
        "--source",
        choices=["camera", "clip", "synthetic"],
        default="camera",
        help="the configured camera as it is (default); its film, looped and as fast as possible; or drawn faces",
    )
    bench.add_argument(
        "--faces", type=arguments.faces, default=1, metavar="N", help="in the synthetic scene, 0 to 16 (1)"
    )
    bench.add_argument("--seconds", type=arguments.window, default=30.0, help="how long to measure (%(default)s)")
    beside = bench.add_argument_group("side by side, each in a process of its own, as a,b,c or all of them")
    beside.add_argument("--threads", type=arguments.threads, nargs="?", const=(), metavar="N,N", help="default 1,2,4")
    beside.add_argument(
        "--detectors", type=arguments.names, nargs="?", const=(), metavar="KIND,KIND", help="all installed"
    )
    beside.add_argument(
        "--models", type=arguments.names, nargs="?", const=(), metavar="MODEL,MODEL", help="all shipped"
    )
    bench.add_argument("--operators", action="store_true", help="tell what each operator of the model takes, too")
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, to be shared")
    bench.add_argument("--plot", type=Path, metavar="FILE", help="draw them as a PNG (needs the extra plots)")
    bench.add_argument("--compare", type=Path, metavar="OLD.json", help="say what became slower since that run")


def _load(args: argparse.Namespace, journal_fields: Mapping[str, str] = MappingProxyType({})) -> "Config":
    from edge_fer.configfile import load_config

    config = load_config(args.config)
    handler = log_handler(sys.stderr, os.environ, journal_fields)
    logging.basicConfig(level=config.log.level.upper(), handlers=[handler])
    return config


def _run(args: argparse.Namespace) -> int:
    from edge_fer.card import find_model
    from edge_fer.configfile import load_config
    from edge_fer.daemon import run_daemon
    from edge_fer.publish.sinks import StdoutSink

    def json_lines(config: "Config") -> StdoutSink:
        return StdoutSink(stream=sys.stdout, rate_hz=config.mqtt.rate_hz)

    fields: dict[str, str] = {}
    config = _load(args, fields)
    try:
        find_model(config.model)
    except ModelError as error:  # a name, unlike a file, does not turn up later: systemd shall not try again
        raise ConfigError(f"{args.config or 'environment'}: model: {error}") from None
    output = json_lines if args.stdout else None
    return _ended(clean=run_daemon(config, load=lambda: load_config(args.config), output=output, journal_fields=fields))


def _demo(_args: argparse.Namespace) -> int:
    from edge_fer.demo import run_demo

    logging.basicConfig(level="WARNING", stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    return _ended(clean=run_demo(sys.stdout))


def _ended(*, clean: bool) -> int:
    """Exit code 0; at once if a thread hangs in a driver, since Python before 3.14 aborts when it comes back."""
    if not clean:
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
    return 0


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Tells whether SIGTERM or SIGINT came; a second one ends the command at once."""
    came: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        restore()

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    previous = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: bool(came)
    finally:
        restore()


def _check(args: argparse.Namespace) -> int:
    from edge_fer.check import run_check

    return run_check(_load(args), sys.stdout, as_json=args.json)


def _bench(args: argparse.Namespace) -> int:
    from edge_fer.bench import Wanted, run_bench

    wanted = Wanted(
        source=args.source,
        faces=args.faces,
        seconds=args.seconds,
        threads=args.threads,
        detectors=args.detectors,
        models=args.models,
        operators=args.operators,
        json_file=args.json,
        plot=args.plot,
        against=args.compare,
    )
    return run_bench(_load(args), sys.stdout, wanted)


def _watch(args: argparse.Namespace) -> int:
    from edge_fer.watch import run_watch

    config = _load(args)
    given = {"host": args.host, "port": args.port}
    mqtt = config.mqtt.model_copy(update={key: value for key, value in given.items() if value is not None})
    with _asked_to_stop() as stopped:
        run_watch(config.model_copy(update={"mqtt": mqtt}), sys.stdout, seconds=args.seconds, stopped=stopped)
    return 0


def _forget(args: argparse.Namespace) -> int:
    from edge_fer.forget import run_forget

    run_forget(_load(args), sys.stdout, name=args.name, dry_run=args.dry_run)
    return 0


def _simulate(args: argparse.Namespace) -> int:
    from edge_fer.simulate import run_simulation

    config = _load(args)
    with _asked_to_stop() as stopped:
        return run_simulation(
            config, sys.stdout, devices=args.devices, faces=args.faces, seconds=args.seconds, stopped=stopped
        )


def _config(args: argparse.Namespace) -> int:
    from edge_fer.config import Config
    from edge_fer.configfile import as_yaml, check_config

    if args.schema:
        print(json.dumps(Config.model_json_schema(), indent=2))
    elif args.check:
        check_config(args.config)
    else:
        print(as_yaml(_load(args)), end="")
    return 0


def _predict(args: argparse.Namespace) -> int:
    from edge_fer.annotate import Annotator
    from edge_fer.predict import as_json, as_text, find_inputs, predict

    config = _load(args)
    inputs = find_inputs(args.paths)
    with Annotator(args.annotate, inputs) if args.annotate else contextlib.nullcontext() as annotator:
        for prediction in predict(inputs, config):
            print(as_json(prediction).decode() if args.json else as_text(prediction), flush=True)
            if annotator:
                annotator.write(prediction)
    return 0


def _service(args: argparse.Namespace) -> int:
    from edge_fer.service.command import run_service

    return run_service(args)


def _password(args: argparse.Namespace) -> int:
    from edge_fer.password import PasswordError, print_password_hash, print_token

    if args.token:
        print_token(sys.stdout)
        return 0
    try:
        print_password_hash(sys.stdout)
    except UnicodeError:
        raise PasswordError("this is not UTF-8 text, which a password must be; nothing was made") from None
    return 0


def _models(args: argparse.Namespace) -> int:
    from edge_fer.model_files import run_models

    return run_models(args.action, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
