// Verifies and signs with the published Standard Webhooks library for JavaScript, which is installed in the folder that
// is the first argument.
//
// Reads {"verify": [{secret, headers, body}], "sign": [{secret, id, timestamp, body}]} from standard input and writes
// {"verified": [bool], "signed": [text]} to standard output. What has to come out is the caller's to know.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Webhook, WebhookVerificationError } = createRequire(`${process.argv[2]}/`)("standardwebhooks");

function verified({ secret, headers, body }) {
  try {
    new Webhook(secret).verify(Buffer.from(body), headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) {
      return false;
    }
    throw error;
  }
}

function signed({ secret, id, timestamp, body }) {
  return new Webhook(secret).sign(id, new Date(timestamp * 1000), body);
}

const asked = JSON.parse(readFileSync(0, "utf8"));
const answer = { verified: asked.verify.map(verified), signed: asked.sign.map(signed) };
process.stdout.write(JSON.stringify(answer));
