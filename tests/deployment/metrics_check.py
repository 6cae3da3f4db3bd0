#!/usr/bin/env python3
"""Sees that the numbers of a built function arrive, both ways that they can leave it.

    target/tools-ministack/bin/python tests/deployment/metrics_check.py [path of ingest's bootstrap]

`METRICS=emf`: the function is killed the moment it has answered, and has printed everything by then.
`METRICS=cloudwatch`: it is told to end before anything was due to be sent, and the emulator's CloudWatch has everything.
The adapter's own test reads distributions back the same way. This plays the Lambda host: it hands out requests for /health, which need no table and no queue, and so nothing is deployed.
"""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

# Nothing is left beside the sources.
sys.dont_write_bytecode = True

from emulator import CREDENTIALS, HOST, REGION, Emulator, end_on_signal

ROOT = Path(__file__).resolve().parents[2]
BOOTSTRAP = ROOT / ".aws-sam/build/IngestFunction/bootstrap"
NAMESPACE = "WebhookRelay"
FUNCTION = "metrics-check"
REQUESTS = 7
# Those of crates/aws/tests/cloudwatch that are ignored unless there is something to speak to.
ADAPTER_TESTS = 1
# A start waits for connections for 2 s at most; an answer takes milliseconds.
ANSWERED_SECONDS_MAX = 20
# The last call to CloudWatch has 2 s.
ENDED_SECONDS_MAX = 10
# What is read of one answer of the function; it is some hundred bytes.
ANSWER_BYTES_MAX = 1 << 20


class Host(http.server.ThreadingHTTPServer):
    """Lambda's Runtime API, with a number of events to hand out."""

    daemon_threads = True

    def __init__(self):
        super().__init__((HOST, 0), Calls)
        self.left = REQUESTS
        self.answers = []
        self.all_answered = threading.Event()
        self.closing = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        """A function that is killed leaves its connections as they are."""


class Calls(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.server.left == 0:
            # Nothing more to do: the call stays open, as Lambda's does while a function is frozen.
            self.server.closing.wait(ENDED_SECONDS_MAX * 3)
            self.close_connection = True
            return
        self.server.left -= 1
        event = {
            "version": "2.0",
            "rawPath": "/health",
            "requestContext": {"requestId": "r", "stage": "$default", "http": {"method": "GET", "sourceIp": HOST}},
        }
        deadline = int((time.time() + ANSWERED_SECONDS_MAX) * 1000)
        headers = {
            "Lambda-Runtime-Aws-Request-Id": f"request-{self.server.left}",
            "Lambda-Runtime-Deadline-Ms": str(deadline),
            "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:{REGION}:000000000000:function:{FUNCTION}",
        }
        self.answer(200, json.dumps(event).encode(), headers)

    def do_POST(self):
        is_chunked = self.headers.get("Transfer-Encoding") == "chunked"
        length = min(int(self.headers.get("Content-Length", 0)), ANSWER_BYTES_MAX)
        body = self.chunks() if is_chunked else self.rfile.read(length)
        self.server.answers.append((self.path, body))
        if len(self.server.answers) == REQUESTS:
            self.server.all_answered.set()
        self.answer(202, b"{}", {})

    def chunks(self):
        body = b""
        while (size := int(self.rfile.readline().split(b";")[0], 16)) and len(body) < ANSWER_BYTES_MAX:
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def run(bootstrap, metrics, url, end):
    """What the function printed until `end` ended it, after it had answered every request."""
    host = Host()
    environment = {
        **CREDENTIALS,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_RUNTIME_API": f"{HOST}:{host.server_address[1]}",
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_STREAM_NAME": "check",
        "AWS_LAMBDA_LOG_GROUP_NAME": "check",
        "METRICS": metrics,
        "DYNAMODB_TABLE": "none",
        "SQS_QUEUE_URL": f"{url}/000000000000/none",
        "S3_BUCKET": "none",
        "MASTER_SECRET_ID": "none",
    }
    process = subprocess.Popen([str(bootstrap)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        answered = host.all_answered.wait(ANSWERED_SECONDS_MAX)
        end(process)
        printed, _ = process.communicate(timeout=ENDED_SECONDS_MAX)
    finally:
        process.kill()
        host.closing.set()
        host.shutdown()
        host.server_close()
    text = printed.decode()
    assert answered, f"{len(host.answers)} of {REQUESTS} requests were answered; it printed:\n{text[-2000:]}"
    wrong = [body for path, body in host.answers if not path.endswith("/response") or json.loads(body)["statusCode"] != 200]
    assert not wrong, f"an answer is not 200: {wrong[0][:300]}"
    return process.returncode, [json.loads(line) for line in text.splitlines() if '"_aws"' in line]


def check_lines(bootstrap, url):
    """Killed after the last answer, nothing is missing."""
    _, lines = run(bootstrap, "emf", url, lambda process: process.kill())
    assert len(lines) == REQUESTS, f"{len(lines)} lines of metrics for {REQUESTS} invocations"
    counted = sum(line["Requests"] for line in lines)
    cold = sum(line.get("ColdStarts", 0) for line in lines)
    assert (counted, cold) == (REQUESTS, 1), f"{counted} requests and {cold} cold starts were counted"
    directive = lines[0]["_aws"]["CloudWatchMetrics"][0]
    assert directive["Namespace"] == NAMESPACE and directive["Dimensions"] == [["FunctionName"]], directive
    assert all(line["FunctionName"] == FUNCTION for line in lines)


def check_api(bootstrap, emulator):
    """Told to end long before the minute is over, it has sent everything."""
    code, lines = run(bootstrap, "cloudwatch", emulator.url, lambda process: process.terminate())
    assert code == 0, f"it ended with {code}"
    assert not lines, f"{len(lines)} lines of metrics, although they go through the API"
    found = {name: read_back(emulator.client("cloudwatch"), name) for name in ("Requests", "ColdStarts")}
    assert found == {"Requests": REQUESTS, "ColdStarts": 1}, f"CloudWatch has {found}"


def read_back(client, name):
    now = datetime.now(timezone.utc)
    dimensions = [{"Name": "FunctionName", "Value": FUNCTION}]
    metric = {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions}
    query = {"Id": "asked", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    span = {"StartTime": now - timedelta(minutes=10), "EndTime": now + timedelta(minutes=1)}
    return sum(client.get_metric_data(MetricDataQueries=[query], **span)["MetricDataResults"][0]["Values"])


def check_adapter(emulator):
    """The test of `METRICS=cloudwatch` that needs something to speak to. With the whole workspace selected, cargo finds
    everything built by the other tests.
    """
    command = ["cargo", "test", "--locked", "--quiet", "--workspace", "--test", "cloudwatch", "--", "--ignored"]
    environment = {**os.environ, "AWS_ENDPOINT_URL_CLOUDWATCH": emulator.url}
    # What cargo compiles is told as it goes, on standard error.
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="", flush=True)
    assert done.returncode == 0, "the adapter's test failed"
    # A test that was renamed, or is ignored no longer, is selected no longer, and cargo is content with none.
    passed = sum(int(number) for number in re.findall(r"^test result: \S*ok\S* (\d+) passed", done.stdout, re.MULTILINE))
    assert passed == ADAPTER_TESTS, f"{passed} of the adapter's tests ran in place of {ADAPTER_TESTS}"


def check(bootstrap, emulator):
    """Both ways; an AssertionError says what does not hold."""
    check_lines(bootstrap, emulator.url)
    check_api(bootstrap, emulator)
    check_adapter(emulator)


if __name__ == "__main__":
    bootstrap = Path(sys.argv[1]) if len(sys.argv) > 1 else BOOTSTRAP
    if not os.access(bootstrap, os.X_OK):
        sys.exit(f"{bootstrap} is not there: build it first, with `.ci/run package`")
    end_on_signal()
    with Emulator() as emulator:
        try:
            check(bootstrap, emulator)
        except AssertionError as failure:
            sys.exit(f"FAILED: {failure}")
    print(f"the numbers of {REQUESTS} invocations arrived both ways")
