"""Verifies and signs with the published Standard Webhooks library for Python.

Reads {"verify": [{secret, headers, body}], "sign": [{secret, id, timestamp, body}]} from standard input and writes
{"verified": [bool], "signed": [text]} to standard output. What has to come out is the caller's to know.
"""

import json
import sys
from datetime import datetime, timezone

from standardwebhooks import Webhook, WebhookVerificationError


def verified(case):
    try:
        Webhook(case["secret"]).verify(case["body"].encode(), case["headers"])
    except WebhookVerificationError:
        return False
    return True


def signed(case):
    at = datetime.fromtimestamp(case["timestamp"], tz=timezone.utc)
    return Webhook(case["secret"]).sign(case["id"], at, case["body"])


asked = json.load(sys.stdin)
json.dump(
    {
        "verified": [verified(case) for case in asked["verify"]],
        "signed": [signed(case) for case in asked["sign"]],
    },
    sys.stdout,
)
