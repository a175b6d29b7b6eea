"""The command ``espalier``."""

from __future__ import annotations

import click

from costmodel.cli.model import model
from costmodel.cli.network import compile_model, profile_model, run_model
from costmodel.cli.predict import explain, predict
from costmodel.cli.records import build, records
from costmodel.cli.report import report
from costmodel.cli.search import demo, tune, tune_all
from costmodel.cli.selection import cv, search_parameters
from costmodel.cli.show import show
from costmodel.cli.train import train


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="espalier", prog_name="espalier")
def main() -> None:
    """Boosted trees for tables, and a search for fast tensor programs."""


for command in (
    *(train, cv, search_parameters, predict, explain),
    *(compile_model, run_model, profile_model),
    *(tune, tune_all, show, build, records, report, model, demo),
):
    main.add_command(command)
