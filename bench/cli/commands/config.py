"""`python -m bench config`: the settings of an experiment, and every key there is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from bench.cli.console import print_json, print_table
from bench.cli.options import ModelOptions
from bench.interface.console import say
from zoo.errors import ConfigError


class Form(StrEnum):
    """How settings or keys are printed."""

    text = "text"
    json = "json"
    markdown = "markdown"


def config(
    options: ModelOptions,
    every: Annotated[bool, typer.Option("--all", help="Every key: type, default, allowed values, meaning.")] = False,
    form: Annotated[Form, typer.Option("--format", help="text, json or, with --all, markdown.")] = Form.text,
) -> None:
    """Print the settings that a run would have, as YAML that `run` takes; with --all every key there is."""
    if every:
        if options.config or options.overrides or options.models:
            raise ConfigError("config --all prints what may be set; leave it out to see what CONFIG and --set come to")
        _print_keys(form)
        return
    if form is Form.markdown:
        raise ConfigError("config --format markdown: prints keys; add --all, or choose text or json")
    experiment = options.experiment()
    settings = experiment.model_dump(mode="json")
    if options.models:
        from zoo import registry

        chosen = registry.find_models(options.models)
        settings["models"] = {name: settings["models"].get(name, {"params": {}, "train": {}}) for name in chosen}
    if form is Form.json:
        print_json(settings)
        return
    import yaml

    print(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120), end="")


def _print_keys(form: Form) -> None:
    from bench.interface.keys import keys, markdown, records

    if form is Form.json:
        print_json(records(keys()))
    elif form is Form.markdown:
        print(markdown(keys()))
    else:
        from bench.text.tables import word_table

        rows = [[k.key, k.type, k.default, "; ".join(filter(None, (k.allowed, k.when))), k.description] for k in keys()]
        print_table(word_table(["key", "type", "default", "allowed", "what it does"], rows))
        say("models.NAME: the name of a model; its parameters are those of `python -m bench list NAME`")
