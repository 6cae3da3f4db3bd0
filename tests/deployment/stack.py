"""Deploys the template on the emulator as `sam deploy` does on AWS: packages, translates, creates or updates the stack,
waits for it.
"""

import hashlib
import io
import json
import logging
import os
import platform
import time
import tomllib
import zipfile
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

import gaps
from emulator import REGION

ARTEFACTS = "artefacts"
# Creating all resources takes about five seconds, updating them less.
CREATE_SECONDS_MAX = 60
LOOK_EVERY_SECONDS = 0.2


# It warns of switches that only AWS's own copy of it has.
logging.getLogger("samtranslator").setLevel(logging.ERROR)


class DeploymentFailed(Exception):
    """The stack was not created or updated; the text says which resource and why."""


class _NoManagedPolicies:
    """The template uses none, so none is looked up in an account."""

    def load(self):
        return {}


class Stack:
    """A deployed stack."""

    def __init__(self, emulator, name, template_file, build_folder, overrides):
        self.emulator = emulator
        self.name = name
        self._template_file = Path(template_file)
        self._build_folder = Path(build_folder)
        self._overrides = {"Architecture": _architecture(), **overrides}
        self._deploy(emulator.client("cloudformation").create_stack, "CREATE_COMPLETE")

    def update(self, overrides):
        """Deploys once more over what is there, with these parameters changed."""
        self._overrides |= overrides
        self._deploy(self.emulator.client("cloudformation").update_stack, "UPDATE_COMPLETE")

    def _deploy(self, call, wanted):
        template = yaml_parse(self._template_file.read_text())
        self.functions = [
            name for name, resource in template["Resources"].items() if resource["Type"] == "AWS::Serverless::Function"
        ]
        self._package(template)
        defaults = {name: str(parameter["Default"]) for name, parameter in template["Parameters"].items()}
        self.parameters = {**defaults, **self._overrides}
        # The translator asks for a region where it is not told one.
        os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
        translated = transform(template, self._overrides, _NoManagedPolicies())
        self.left_out = gaps.fill(translated)
        self._call(call, translated, wanted)
        gaps.mend(self.emulator.client("lambda"))

    def resource(self, logical_id):
        """The physical id of a resource."""
        cloudformation = self.emulator.client("cloudformation")
        answer = cloudformation.describe_stack_resource(StackName=self.name, LogicalResourceId=logical_id)
        return answer["StackResourceDetail"]["PhysicalResourceId"]

    @property
    def api_url(self):
        """Where the emulator answers for the API that the output `ApiUrl` names."""
        api_id = self.outputs["ApiUrl"].removeprefix("https://").split(".")[0]
        return f"{self.emulator.url}/_aws/execute-api/{api_id}/$default"

    def _package(self, template):
        s3 = self.emulator.client("s3")
        s3.create_bucket(Bucket=ARTEFACTS)
        for name in self.functions:
            archive = _zipped(self._build_folder / name / "bootstrap")
            key = f"{name}-{hashlib.sha256(archive).hexdigest()}.zip"
            s3.put_object(Bucket=ARTEFACTS, Key=key, Body=archive)
            template["Resources"][name]["Properties"]["CodeUri"] = {"Bucket": ARTEFACTS, "Key": key}

    def _call(self, call, translated, wanted):
        # Too large for a request, as on AWS.
        self.emulator.client("s3").put_object(Bucket=ARTEFACTS, Key="template.json", Body=json.dumps(translated))
        cloudformation = self.emulator.client("cloudformation")
        call(
            StackName=self.name,
            TemplateURL=f"{self.emulator.url}/{ARTEFACTS}/template.json",
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in self._overrides.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        end = time.monotonic() + CREATE_SECONDS_MAX
        status = "IN_PROGRESS"
        while status.endswith("IN_PROGRESS") and time.monotonic() < end:
            time.sleep(LOOK_EVERY_SECONDS)
            stack = cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
            status = stack["StackStatus"]
        if status != wanted:
            events = cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
            reasons = [
                f"{event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
                for event in reversed(events)
                if event.get("ResourceStatusReason") and "FAILED" in event["ResourceStatus"]
            ]
            raise DeploymentFailed("\n".join([f"the stack is {status}", *reasons]))
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def presets(samconfig_file):
    """The parameters of each preset that `sam deploy --config-env` takes, by its name."""
    presets = {}
    for name, commands in tomllib.loads(Path(samconfig_file).read_text()).items():
        if isinstance(commands, dict) and "deploy" in commands:
            overrides = commands["deploy"]["parameters"].get("parameter_overrides", [])
            presets[name] = dict(override.split("=", 1) for override in overrides)
    return presets


def _zipped(bootstrap):
    if not bootstrap.is_file():
        raise DeploymentFailed(f"{bootstrap} is missing: build the functions first (.ci/run package)")
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o100755 << 16
    archive = io.BytesIO()
    # Not compressed: it travels no further than this machine.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr(entry, bootstrap.read_bytes())
    return archive.getvalue()


def _architecture():
    return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"
