//! What a person sees when the stack is up: where everything is, and lines to paste.

use super::Stack;

/// The text for standard error. The line that programs wait for goes to standard output instead.
#[must_use]
pub fn banner(stack: &Stack) -> String {
    let relay = stack.url();
    let receiver = stack.receiver_url();
    let key = stack.api_key().filter(|_| stack.asks_for_keys());
    let authorization =
        key.as_ref().map(|key| format!(" -H 'authorization: Bearer {key}'")).unwrap_or_default();
    let asked = key.as_deref().unwrap_or(
        "AUTHENTICATION is off: nobody is asked for a key, and everybody may do everything",
    );
    let post = |id: &str, path: &str| {
        format!(
            "curl -sS {relay}/message{authorization} -H 'content-type: application/json' -d '{{\"messageId\":\"{id}\",\"senderId\":\"demo\",\"targetUrl\":\"{receiver}/demo/{path}\",\"body\":{{\"hello\":\"world\"}}}}'"
        )
    };
    format!(
        "
  relay      {relay}        POST /message, GET /v1/messages/{{id}}, GET /health
  receiver   {receiver}        /demo/ok  /demo/status/503  /demo/slow/30s  /demo/flaky/2  /demo/received
  key        {asked}
  aws        . {environment}        then use the AWS CLI on the local table, queues and bucket
  template   {template}

  Send a message, send one that fails twice before it works, and see what arrived:

    {first}

    {second}

    curl -sS {receiver}/demo/received

  Ctrl-C stops everything.
",
        environment = stack.environment_file().display(),
        template = stack.template_origin(),
        first = post("hello-1", "ok"),
        second = post("hello-2", "flaky/2"),
    )
}
