"""The grammar of the command line: each command is a settings class, its fields the flags, its docstring the help."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    CliPositionalArg,
    CliSubCommand,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from edge_app import config


class Group(BaseSettings):
    """What has commands, or is one."""

    model_config = SettingsConfigDict(
        extra="forbid",
        defer_build=True,  # of a dozen commands one is used
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_implicit_flags="toggle",
        cli_use_class_docs_for_groups=True,
    )

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Take the indentation out of the docstring: it becomes the help. Python 3.13 does it by itself."""
        super().__init_subclass__(**arguments)
        cls.__doc__ = inspect.cleandoc(cls.__doc__ or "")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Believe only what `command_line` hands over: by itself the class would read $PATH for `--path`."""
        return (init_settings,)


class Command(Group):
    """What every command takes."""

    config: Path | None = Field(
        None, description="settings file; default: $EDGE_APP_CONFIG, else ~/.config/edge-app/config.toml"
    )
    verbose: bool = Field(False, description="say more on stderr")


class Run(
    Command,
    config.ServiceOptions,
    config.OutputOptions,
    config.DecisionOptions,
    config.ModelOptions,
    config.CameraOptions,
):
    """Capture, classify, show or log until stopped.

    Examples:
      edge-app run                                    first camera found, preview where there is a display
      edge-app run --source webcam:1 --rate 5         second webcam, five classifications a second
      edge-app run --source video.mp4 --log - | head  results of a video as JSON lines
      edge-app run --source synthetic --frames 200 --log out.jsonl
    """

    frames: int | None = Field(None, gt=0, description="end after so many classifications")
    duration: float | None = Field(None, gt=0, description="end after so many seconds")
    service: bool = Field(
        False,
        description="as systemd starts it: wait for the camera for ever, log changes, refuse models without a card, "
        "read settings and model again on SIGHUP",
    )


class Sources(Command):
    """List the cameras found, their modes, and the string that selects each.

    Examples:
      edge-app sources
    """


class ModelsList(Command):
    """List the models that are installed with edge-app.

    Examples:
      edge-app models list
    """


class ModelsShow(Command, config.ModelOptions):
    """Print a model's card, and how much of it the delegate runs here.

    Examples:
      edge-app models show cifar10-lecture
      edge-app models show my.tflite --labels my-labels.txt --json -
    """

    model: CliPositionalArg[str] = Field(description="name of a shipped model, or a .tflite file")
    json_: str | None = Field(
        None, alias="json", description="write the card and the facts as JSON to this file; - is stdout"
    )


class ModelsVerify(Command, config.ModelOptions):
    """Run all checks of an untrusted model file: size, checksum, trial in a child process, shapes, self-test.

    Examples:
      edge-app models verify downloaded.tflite --labels labels.txt
    """

    model: CliPositionalArg[str] = Field(description="name of a shipped model, or a .tflite file")


class ModelsSchema(Command):
    """Print the JSON schema of a model card.

    Examples:
      edge-app models schema > card.schema.json
    """


class Models(Group):
    """List, show and verify models.

    Examples:
      edge-app models list
      edge-app models show cifar10-lecture
    """

    list_: CliSubCommand[ModelsList] = Field(alias="list")
    show: CliSubCommand[ModelsShow]
    verify: CliSubCommand[ModelsVerify]
    schema_: CliSubCommand[ModelsSchema] = Field(alias="schema")


class Evaluate(Command, config.ModelOptions):
    """Measure a model on labelled pictures: as they are, degraded, and through the camera path.

    The pictures are CIFAR-10's 10,000 test pictures, or your own in folders named by label. The camera path enlarges
    each into a 640x480 frame with noise, encodes it as JPEG and sends it through a source and the pipeline, so that
    no preprocessing mistake can hide. Degraded: JPEG quality 75 (4:2:0), noise of sigma 12, blur of sigma 1, exposure
    40 % up and down, warm and cold casts.

    Examples:
      edge-app evaluate --model cifar10-base --data ../shared/cifar10
      edge-app evaluate --model cifar10-nano --html report.html --json report.json
      edge-app evaluate --model trained/fruit-base.tflite --data pictures/fruit
      edge-app evaluate --path camera --limit 1000
    """

    data: Path | None = Field(
        None,
        description="CIFAR-10's folder or archive, or a folder test/LABEL/*.jpg; "
        "default: $EDGE_APP_CIFAR10, else CIFAR-10 is downloaded",
    )
    path: Literal["both", "direct", "camera", "camera-full"] = Field(
        "both", description="which path; camera-full decodes every frame at full size, for comparison"
    )
    degraded: bool = Field(True, description="measure the degraded pictures too, seven more passes")
    limit: int | None = Field(None, gt=0, description="only the first so many pictures")
    json_: str | None = Field(None, alias="json", description="write the figures as JSON to this file; - is stdout")
    html: Path | None = Field(None, description="write one page with plots and the worst mistakes; needs matplotlib")


class Bench(Command):
    """Measure what a frame costs, stage by stage: prepared frames go through the pipeline as fast as it takes them.

    Several models, numbers of threads or delegates take turns on the same frames. Against the classic loop (decode all
    of it, crop, shrink, invoke) the processor time of a frame is compared, and of JPEG with decoding the entropy code
    alone, which no loop can avoid. A board that is slowed down, or busy with something else, is said.

    Examples:
      edge-app bench
      edge-app bench --model cifar10-nano --model cifar10-base --threads 1 --threads 2
      edge-app bench --against-classic --size 1280x720 --pictures photographs/
      edge-app bench --json today.json --compare yesterday.json --plot today.png
      edge-app bench --single-stream --data ../shared/cifar10 --model cifar10-nano
    """

    model: list[str] = Field(["cifar10-base"], description="name or .tflite file; may be repeated")
    labels: Path | None = Field(None, description="labels, one a line, for models without a card")
    threads: list[Annotated[int, Field(ge=1, le=64)]] = Field([1], description="of the runtime; may be repeated")
    delegate: list[Literal["xnnpack", "none"]] = Field(["xnnpack"], description="may be repeated")
    runtime: Literal["auto", "ai-edge-litert", "tflite-runtime"] = Field("auto", description="package of the runtime")
    pictures: Path | None = Field(None, description="folder of photographs to measure on; default: drawn scenes")
    kind: Literal["jpeg", "yuyv", "rgb"] = Field("jpeg", description="what the camera delivers")
    size: str = Field("640x480", pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$", description="WIDTHxHEIGHT of the frames")
    frames: int = Field(600, ge=1, description="frames of each repetition")
    repetitions: int = Field(3, ge=1, description="of each configuration")
    against_classic: bool = Field(False, description="measure the classic loop on the same frames too")
    json_: str | None = Field(None, alias="json", description="write the figures as JSON to this file; - is stdout")
    plot: Path | None = Field(None, description="draw percentiles and stages into this .png, .svg, .pdf or .html")
    compare: Path | None = Field(None, description="an older --json file to compare with")
    single_stream: bool = Field(
        False, description="MLPerf Tiny's figure instead: p90 of single inferences over labelled pictures, and accuracy"
    )
    data: Path | None = Field(
        None, description="pictures of --single-stream, as for 'evaluate'; default: CIFAR-10's test pictures"
    )


class Train(Command):
    """Train a network on labelled pictures, quantise it to int8, measure it, write it with its card.

    Broken off, by Ctrl-C or a power cut, the same command goes on after the last finished epoch, and ends with the
    same file. Recipes: base (the default), nano (small and quick), lecture, lecture-dense. Writes NAME.tflite (what
    runs), NAME.json (its card), NAME.safetensors (float weights, to go on from).

    Examples:
      edge-app train --recipe nano --data ../shared/cifar10
      edge-app train --data pictures/fruit --size 96                a folder train/LABEL/*.jpg
      edge-app train --data pictures/fruit --from cifar10-base      fine-tune: a few pictures do
      edge-app run --model trained/fruit-base.tflite
    """

    recipe: str = Field("base", description="base, nano, lecture or lecture-dense")
    data: Path | None = Field(
        None,
        description="CIFAR-10's folder or archive, or a folder train/LABEL/*.jpg; "
        "default: $EDGE_APP_CIFAR10, else CIFAR-10 is downloaded",
    )
    out: Path = Field(Path("trained"), description="folder for what is made, and for the checkpoint")
    name: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]+$", description="name of the model; default: DATA-RECIPE")
    epochs: int | None = Field(None, gt=0, description="passes over the training pictures; default: the recipe's")
    seed: int = Field(1, ge=0, lt=2**32, description="fixes initial weights, order and augmentation")
    size: int | None = Field(
        None, ge=32, le=512, description="side of the model's input, pixels; default: 32, or that of --from"
    )
    from_: str | None = Field(
        None, alias="from", description="go on from a shipped model's weights, or from a .safetensors file"
    )
    rate: float | None = Field(
        None, gt=0, le=10, description="share of the recipe's learning rates; default: 1, or 0.2 with --from"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where to train")
    threads: int | None = Field(None, ge=1, description="threads of the CPU; default: one for each core")
    restart: bool = Field(False, description="begin anew, whatever was broken off before")
    reference: list[Path] = Field([], description=".tflite file whose latency the card compares; may be repeated")


class Doctor(Command):
    """Examine settings, libraries, model, delegate, camera and board; say what is wrong and what to do.

    Exit code 0 if there is no problem, 1 if there is one. Nothing is changed; the camera is opened for one picture.

    Examples:
      edge-app doctor
      edge-app doctor --service --config /etc/edge-app/config.toml
      edge-app doctor --json - | jq '.findings[] | select(.state == "problem")'
    """

    service: bool = Field(False, description="begin from the defaults of 'run --service'")
    json_: str | None = Field(None, alias="json", description="write the findings as JSON to this file; - is stdout")


class ServiceInstall(Command):
    """Install edge-app as a systemd service, start it and see that it runs.

    Builds an environment of its own in /opt/edge-app (on a Raspberry Pi one that sees apt's picamera2 and OpenCV),
    writes an example configuration to /etc/edge-app/config.toml unless there is one, installs the unit, enables and
    starts it. Installing again brings a newer edge-app in; what runs is replaced only when the new one has proved
    itself.

    Examples:
      sudo .venv/bin/edge-app service install
      sudo .venv/bin/edge-app service install --wheels /media/usb/wheels    without a network
      sudo .venv/bin/edge-app service install --network                    for rtsp:// and http:// sources
    """

    from_: Path | None = Field(
        None, alias="from", description="checkout or wheel of edge-app; default: what this one was installed from"
    )
    wheels: Path | None = Field(None, description="folder of wheels to install everything from, without a network")
    network: bool = Field(False, description="open the sandbox for this machine and local networks")


class ServiceUninstall(Command):
    """Stop and remove the service; its logs stay.

    Examples:
      sudo edge-app service uninstall
      sudo edge-app service uninstall --purge
    """

    purge: bool = Field(False, description="remove the logs as well")


class ServiceStatus(Command):
    """Say in words how the service is doing; exit code 0 if it runs, 1 if not, 3 if it is not installed.

    Examples:
      edge-app service status
    """


class Service(Group):
    """Install, uninstall or look at the systemd service.

    Examples:
      sudo .venv/bin/edge-app service install
      edge-app service status
    """

    install: CliSubCommand[ServiceInstall]
    uninstall: CliSubCommand[ServiceUninstall]
    status: CliSubCommand[ServiceStatus]


class Config(Command):
    """Print the effective settings and where each value came from.

    Examples:
      edge-app config
      EDGE_APP_RATE=5 edge-app config
      edge-app config --service --config /etc/edge-app/config.toml
    """

    service: bool = Field(False, description="begin from the defaults of 'run --service'")


class App(Group):
    """Point a camera at things and get labels you can trust."""

    version: bool = Field(False, description="print version, runtime and default model")
    run: CliSubCommand[Run]
    sources: CliSubCommand[Sources]
    models: CliSubCommand[Models]
    bench: CliSubCommand[Bench]
    evaluate: CliSubCommand[Evaluate]
    train: CliSubCommand[Train]
    doctor: CliSubCommand[Doctor]
    service: CliSubCommand[Service]
    config_: CliSubCommand[Config] = Field(alias="config")
