"""What has to hold of a deployed relay, beside what `relay smoke` sees from outside. Each check raises `AssertionError`
with what it found.
"""

import hashlib
import json
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from itertools import chain
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from emulator import opener
from receiver import FAILING_PATH

ROOT = Path(__file__).resolve().parents[2]
SENDER = "smoke-test"
# What `relay smoke` posts, and the attempts that the stack is deployed with.
SMALL_BODY = b'{"smoke":true}'
LARGE_BODY_BYTES_MIN = 300 * 1024
ATTEMPTS = 2

# Nothing is waited for that takes longer than some calls on this machine.
SOON_SECONDS = 20
LOOK_EVERY_SECONDS = 0.2
CALL_SECONDS_MAX = 35

# What the template gives to only some functions, and to whom it does not.
NOT_GIVEN = {"ReconcilerFunction": {"MASTER_SECRET_ID"}}
# Settings that the template sets itself, so that no parameter has their value.
CONSTANTS = {"DELIVERY_BYTES_PER_SECOND_MIN", "DELIVERY_LEASE_SECONDS", "AUTHENTICATION_CACHE_SECONDS"}
# Settings that say where a resource of the stack is, by the output that says so too.
PLACES = {
    "DYNAMODB_TABLE": "TableName",
    "SQS_QUEUE_URL": "QueueUrl",
    "SQS_DLQ_URL": "DeadLetterQueueUrl",
    "S3_BUCKET": "BucketName",
    "MASTER_SECRET_ID": "MasterSecretArn",
}

ALIAS = "live"
# Functions that are called by their alias. Nobody waits for the reconciler, and it is never rolled back.
WITH_ALIAS = {"IngestFunction", "WorkerFunction"}

# What AWS asks of a queue that a function reads: six times its timeout, and the longest batching window.
TIMEOUTS_HIDDEN_MIN = 6
BATCH_WINDOW_SECONDS_MAX = 60
# The most that SQS allows. Attempts are counted in the record: the queue must never be first to give up.
RECEIVES = 1000
RETENTION_SECONDS = 14 * 24 * 3600


def settings():
    """The settings of docs/SETTINGS.md."""
    table = re.findall(r"^\| `([A-Z0-9_]+)` \|", (ROOT / "docs/SETTINGS.md").read_text(), re.MULTILINE)
    assert len(table) > 30, f"docs/SETTINGS.md has a table no longer: {table}"
    return table


def parameter_of(setting):
    """The parameter of a setting, by the rule: RETRY_ATTEMPTS_MAX is RetryAttemptsMax."""
    return "".join(word.capitalize() for word in setting.split("_"))


def told_apart(template_file, overrides):
    """These parameters and more, so that no number of a setting is another parameter's too: a variable that has the value
    of a parameter then has it from nowhere else.
    """
    parameters = yaml_parse(Path(template_file).read_text())["Parameters"]
    chosen = {name: parameters[name] for name in map(parameter_of, settings()) if name in parameters}
    others = {str(each["Default"]) for name, each in parameters.items() if name not in chosen}
    taken, all_of_them = others | set(overrides.values()), dict(overrides)
    for name, each in chosen.items():
        if each["Type"] == "Number" and name not in overrides:
            default = each["Default"]
            near = chain(range(default, each["MinValue"] - 1, -1), range(default + 1, each["MaxValue"] + 1))
            all_of_them[name] = next(str(value) for value in near if str(value) not in taken)
            taken.add(all_of_them[name])
    return all_of_them


def environment_is_complete(stack):
    """Every setting in docs/SETTINGS.md reaches every function, with the value of its own parameter or resource."""
    functions = stack.emulator.client("lambda")
    wrong = []
    for function in stack.functions:
        version = {"Qualifier": ALIAS} if function in WITH_ALIAS else {}
        answer = functions.get_function_configuration(FunctionName=stack.resource(function), **version)
        variables = answer["Environment"]["Variables"]
        for name in sorted(set(settings()) - NOT_GIVEN.get(function, set())):
            found = variables.get(name)
            if not found:
                wrong.append(f"{function} has no {name}")
            elif name not in CONSTANTS and found != (wanted := _value_of(stack, name)):
                wrong.append(f"{function} has {name}={found} in place of {wanted}")
    assert not wrong, "; ".join(wrong)


def _value_of(stack, setting):
    if setting in PLACES:
        return stack.outputs[PLACES[setting]]
    parameter = parameter_of(setting)
    assert parameter in stack.parameters, f"{setting} has no parameter {parameter}: see CONSTANTS and PLACES"
    return stack.parameters[parameter]


def queue_is_wired(stack):
    """What the worker is given stays hidden for as long as it may take, and what it never takes ends among the dead."""
    queues = stack.emulator.client("sqs")
    queue, dead = (
        queues.get_queue_attributes(QueueUrl=stack.outputs[name], AttributeNames=["All"])["Attributes"]
        for name in ("QueueUrl", "DeadLetterQueueUrl")
    )
    policy = json.loads(queue.get("RedrivePolicy", "{}"))
    wanted = {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": RECEIVES}
    assert policy == wanted, f"the queue's RedrivePolicy is {policy} in place of {wanted}"
    worker = stack.emulator.client("lambda").get_function_configuration(FunctionName=stack.resource("WorkerFunction"))
    hidden, hidden_min = int(queue["VisibilityTimeout"]), TIMEOUTS_HIDDEN_MIN * worker["Timeout"] + BATCH_WINDOW_SECONDS_MAX
    assert hidden >= hidden_min, f"the queue's VisibilityTimeout is {hidden}, and at least {hidden_min} is needed"
    for name, attributes in (("queue", queue), ("dead-letter queue", dead)):
        kept = int(attributes["MessageRetentionPeriod"])
        assert kept == RETENTION_SECONDS, f"the {name} keeps messages for {kept} s in place of {RETENTION_SECONDS}"


def alias_is_called(stack):
    """Every route of the API and the event source call the alias, never the function itself: what they call changes only
    when the alias moves.
    """
    apis = stack.emulator.client("apigatewayv2")
    uris = [
        integration["IntegrationUri"].removesuffix("/invocations")
        for api in apis.get_apis()["Items"]
        for page in apis.get_paginator("get_integrations").paginate(ApiId=api["ApiId"])
        for integration in page["Items"]
    ]
    mappings = stack.emulator.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    called = {"IngestFunction": uris, "WorkerFunction": [mapping["FunctionArn"] for mapping in mappings]}
    for function, callers in called.items():
        alias = f":{stack.resource(function)}:{ALIAS}"
        wrong = [each for each in callers if not each.endswith(alias)]
        assert callers and not wrong, f"{function} is not called as {alias}: {wrong[:3]}"


def update_takes_effect(stack, receiver, key):
    """One parameter is changed: each alias leads to another version that has it, and a message still arrives."""
    functions = stack.emulator.client("lambda")
    versions = {}
    for moment, level in (("before", stack.parameters["LogLevel"]), ("after", "debug")):
        if moment == "after":
            stack.update({"LogLevel": level})
        for name in sorted(WITH_ALIAS):
            function = stack.resource(name)
            version = functions.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"]
            assert version not in versions.get(name, []), f"the alias of {name} still leads to version {version}"
            versions.setdefault(name, []).append(version)
            answer = functions.get_function_configuration(FunctionName=function, Qualifier=ALIAS)
            found = answer["Environment"]["Variables"]["LOG_LEVEL"]
            assert found == level, f"{name} has LOG_LEVEL={found} {moment} the update"
    # All else is as it was.
    environment_is_complete(stack)
    alias_is_called(stack)
    message = {"messageId": "updated", "senderId": SENDER, "targetUrl": f"{receiver.url}/takes", "body": "updated"}
    status, text = _call(stack, "POST", "/v1/messages", message, key)
    assert status == 202, f"no message is accepted after the update: {status} {text[:400]}"
    message_id, end = json.loads(text)["id"], time.monotonic() + SOON_SECONDS
    while not receiver.of(message_id):
        assert time.monotonic() < end, f"{message_id} does not arrive after the update"
        time.sleep(LOOK_EVERY_SECONDS)


def every_operation_has_a_route(stack):
    """Whatever the deployed relay says of itself that it answers gets through to it: the function asks for a key in its
    own words, the gateway knows no such route.
    """
    document = json.loads(_call(stack, "GET", "/openapi.json")[1])
    unanswered, operations = [], 0
    for path, methods in document["paths"].items():
        for method in methods:
            operations += 1
            status, text = _call(stack, method.upper(), re.sub(r"\{[^}]+\}", "none", path))
            answered = status == 200 or (status == 401 and json.loads(text).get("code") == "UNAUTHENTICATED")
            if not answered:
                unanswered.append(f"{method.upper()} {path}: {status} {text[:100]}")
    assert operations > 10, f"the document has {operations} operations"
    assert not unanswered, "; ".join(unanswered)


def bytes_arrived(stack, receiver, run):
    """Every message came as often as it should, and exactly as it was accepted."""
    for name, attempts in (("small", 1), ("large", 1), ("doomed", ATTEMPTS)):
        calls = receiver.of(_relay_id(stack, f"{run}-{name}"))
        assert len(calls) == attempts, f"{name} came {len(calls)} times in place of {attempts}"
        for call in calls:
            assert call.headers.get("x-correlation-id") == run, f"{name}: {call.headers}"
            if name == "large":
                assert len(call.body) > LARGE_BODY_BYTES_MIN, f"{name} came with {len(call.body)} bytes"
                assert call.body == b'"' + b"0123456789abcdef" * (LARGE_BODY_BYTES_MIN // 16) + b'"', name
            else:
                assert call.body == SMALL_BODY, f"{name} came as {call.body[:100]}"


def large_body_went_through_the_bucket(stack, receiver):
    """The bucket holds one body, and it is the one that came."""
    s3, bucket = stack.emulator.client("s3"), stack.outputs["BucketName"]
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    keys = [item["Key"] for item in listed]
    assert len(keys) == 1 and keys[0].startswith("payloads/"), f"the bucket holds {keys}"
    stored = s3.get_object(Bucket=bucket, Key=keys[0])["Body"].read()
    came = {hashlib.sha256(call.body).digest() for call in receiver.calls}
    assert hashlib.sha256(stored).digest() in came, f"{keys[0]} is not what the target was sent"


def dead_letter_is_kept(stack, run):
    """What was given up is in the dead-letter queue, and nothing else is."""
    queue, url = stack.emulator.client("sqs"), stack.outputs["DeadLetterQueueUrl"]
    letters, end = [], time.monotonic() + SOON_SECONDS
    while not letters and time.monotonic() < end:
        answer = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, WaitTimeSeconds=1)
        letters = answer.get("Messages", [])
    assert len(letters) == 1, f"the dead-letter queue holds {len(letters)} messages"
    doomed = _relay_id(stack, f"{run}-doomed")
    assert doomed in letters[0]["Body"], f"the dead letter is not {doomed}: {letters[0]['Body'][:200]}"


def queue_is_empty(stack):
    """Nothing is left to deliver: what was delivered was acknowledged."""
    queue, url = stack.emulator.client("sqs"), stack.outputs["QueueUrl"]
    names, end = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"], time.monotonic() + SOON_SECONDS
    while True:
        counts = queue.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        if all(counts[name] == "0" for name in names):
            return
        assert time.monotonic() < end, f"the queue still holds {counts}"
        time.sleep(LOOK_EVERY_SECONDS)


def deliveries_are_signed(stack, receiver):
    """The sender has a signing secret, so each delivery has to be signed: the worker could read the master secret."""
    unsigned = [call.path for call in receiver.calls if not call.headers.get("webhook-signature", "").startswith("v1,")]
    assert receiver.calls and not unsigned, f"not signed: {unsigned}"


def nothing_was_denied(stack):
    """No function was refused anything by its role, and none wrote an error. The emulator holds the roles."""
    lines = _log_lines(stack)
    findings = [line[:600] for line in lines if "AccessDenied" in line or '"level":"ERROR"' in line]
    assert lines, "the functions have no logs"
    assert not findings, "\n".join(findings)


def metrics_agree(stack, receiver):
    """The metrics that the functions write for CloudWatch say what was posted and what came."""
    calls = receiver.calls
    came = {
        "Accepted": len({call.headers["webhook-id"] for call in calls}),
        "Duplicates": 1,
        "Offloaded": 1,
        "RefusedValidationError": 1,
        "Delivered": sum(call.path != FAILING_PATH for call in calls),
        "AttemptsTargetError": sum(call.path == FAILING_PATH for call in calls),
        "Retries": ATTEMPTS - 1,
        "Dead": 1,
    }
    end = time.monotonic() + SOON_SECONDS
    while True:
        counted = _counted(stack)
        said = {name: counted[name] for name in came}
        # The last line of an invocation is written after its message has ended.
        if said == came:
            return
        assert time.monotonic() < end, f"the metrics say {said}, and it was {came}"
        time.sleep(LOOK_EVERY_SECONDS)


def _counted(stack):
    """The sum of each metric in the functions' logs."""
    counted = Counter()
    for line in _log_lines(stack):
        if '"_aws"' in line:
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                assert directive["Namespace"] == "WebhookRelay", line
                for name in (metric["Name"] for metric in directive["Metrics"]):
                    counted[name] += sum(document[name]) if isinstance(document[name], list) else document[name]
    return counted


def reconciler_runs_by_the_clock(stack):
    """A rule names it, and one run ends well. The clock itself is the emulator's."""
    function = stack.resource("ReconcilerFunction")
    events = stack.emulator.client("events")
    rules = [rule for rule in events.list_rules()["Rules"] if rule.get("ScheduleExpression")]
    targets = [target for rule in rules for target in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]]
    assert any(function in target["Arn"] for target in targets), f"no rule runs {function}: {targets}"
    answer = stack.emulator.client("lambda").invoke(FunctionName=function, Payload=b"{}")
    said = answer["Payload"].read().decode(errors="replace")
    assert "FunctionError" not in answer, f"the reconciler failed: {said[:500]}"


def _log_lines(stack):
    """All that the functions have written."""
    logs, lines = stack.emulator.client("logs"), []
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            lines += [line for event in page["events"] for line in event["message"].splitlines() if line.strip()]
    return lines


def _relay_id(stack, message_id):
    """The relay's id of a message, from the record that has what its sender calls it."""
    table = stack.emulator.client("dynamodb")
    pages = table.get_paginator("scan").paginate(
        TableName=stack.outputs["TableName"],
        ConsistentRead=True,
        FilterExpression="contains(message_id, :id)",
        ExpressionAttributeValues={":id": {"S": message_id}},
    )
    items = [item for page in pages for item in page["Items"]]
    assert len(items) == 1, f"the table has {len(items)} records of {message_id}"
    return re.search(r"msg_[a-z2-7]{32}", items[0]["pk"]["S"]).group()


def give_signing_secret(stack, admin_key):
    """Gives the sender a signing secret, as an administrator does."""
    status, text = _call(stack, "POST", "/v1/signing-secrets", {"senderId": SENDER}, admin_key)
    assert status == 201, f"no signing secret was made: {status} {text[:400]}"


def _call(stack, method, path, document=None, key=None):
    request = urllib.request.Request(stack.api_url + path, method=method)
    if method in ("POST", "PATCH"):
        request.data = json.dumps(document or {}).encode()
        request.add_header("content-type", "application/json")
    if key:
        request.add_header("authorization", f"Bearer {key}")
    try:
        with opener().open(request, timeout=CALL_SECONDS_MAX) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
