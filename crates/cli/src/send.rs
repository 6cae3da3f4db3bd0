//! `relay send`: one message from flags, a file or standard input. A body that is too large for a
//! request is uploaded first.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use data_encoding::{BASE64, HEXLOWER};
use relay_core::body::Sha256;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Failure;
use crate::api::{Api, ApiArguments, put};
use crate::terminal::{indented, line};

/// Requests above this go by upload: 5.5 MiB, measured as Lambda is given them, which is as a JSON
/// string in an event of at most 6,291,456 bytes. The other half MiB is for the rest of the event.
const REQUEST_ESCAPED_BYTES_MAX: usize = 5_767_168;

/// The name of the file that is standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    api: ApiArguments,
    /// Where the message goes.
    #[arg(long, required_unless_present = "message")]
    target_url: Option<String>,
    /// Who sends.
    #[arg(long, default_value = "cli")]
    sender_id: String,
    /// What the sender calls the message; drawn at random if absent.
    #[arg(long)]
    message_id: Option<String>,
    /// How the target is called.
    #[arg(long, default_value = "POST")]
    method: String,
    /// A header to send, as "Name: value". May be given more than once.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// The body.
    #[arg(long, conflicts_with = "body_file")]
    body: Option<String>,
    /// A file with the body; - is standard input.
    #[arg(long)]
    body_file: Option<PathBuf>,
    /// A file with the whole message as the API takes it, in place of the other flags; - is standard
    /// input.
    #[arg(long, conflicts_with_all = [
        "target_url", "sender_id", "message_id", "method", "headers", "body", "body_file",
    ])]
    message: Option<PathBuf>,
}

pub(crate) async fn run(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let api = std::mem::take(&mut arguments.api).api()?;
    let request = match &arguments.message {
        Some(file) => String::from_utf8(read(file)?)
            .map_err(|_| Failure::Usage("the message is not UTF-8".to_owned()))?,
        None => message_of(&api, &arguments).await?,
    };
    let accepted = api.post("/v1/messages", request).await?;
    line(&indented(&accepted));
    Ok(ExitCode::SUCCESS)
}

async fn message_of(api: &Api, arguments: &Arguments) -> Result<String, Failure> {
    let mut message = serde_json::Map::new();
    let message_id = arguments.message_id.clone().map_or_else(random_id, Ok)?;
    message.insert("messageId".to_owned(), json!(message_id));
    message.insert("senderId".to_owned(), json!(arguments.sender_id));
    message.insert("targetUrl".to_owned(), json!(arguments.target_url));
    message.insert("method".to_owned(), json!(arguments.method));
    let mut headers = headers_of(&arguments.headers)?;
    let body = body_of(arguments)?;
    if let Some(body) = &body {
        add_content_type(&mut headers, body);
    }
    message.insert("headers".to_owned(), Value::Object(headers));
    let Some(body) = body else { return Ok(Value::Object(message).to_string()) };
    if let Some(request) = request_with(&Value::Object(message.clone()), &body) {
        return Ok(request);
    }
    let upload_id = upload(api, body).await?;
    message.insert("payload".to_owned(), json!({ "uploadId": upload_id }));
    Ok(Value::Object(message).to_string())
}

/// Says what the body is, unless a header does. The relay goes by the body's encoding, and would take
/// JSON between white space for text and every upload for bytes.
fn add_content_type(headers: &mut serde_json::Map<String, Value>, body: &[u8]) {
    if headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
        return;
    }
    let is_json = serde_json::from_slice::<&RawValue>(body).is_ok();
    let content_type = match std::str::from_utf8(body) {
        Ok(_) if is_json => "application/json",
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    };
    headers.insert("Content-Type".to_owned(), json!(content_type));
}

/// The request with the body in it; none if it is too large.
fn request_with(message: &Value, body: &[u8]) -> Option<String> {
    // No encoding makes a body smaller.
    if body.len() > REQUEST_ESCAPED_BYTES_MAX {
        return None;
    }
    let request = with_body(message, body);
    let escaped_bytes = json!(request).to_string().len();
    (escaped_bytes <= REQUEST_ESCAPED_BYTES_MAX).then_some(request)
}

/// The message's JSON with the body in it: JSON as its exact text, other text and bytes encoded.
fn with_body(message: &Value, body: &[u8]) -> String {
    let as_json = serde_json::from_slice::<&RawValue>(body).map(RawValue::get);
    let fields = match (as_json, std::str::from_utf8(body)) {
        (Ok(exact), _) if exact.len() == body.len() => format!(r#""body":{exact}"#),
        (_, Ok(text)) => format!(r#""bodyEncoding":"text","body":{}"#, json!(text)),
        (_, Err(_)) => format!(r#""bodyEncoding":"base64","body":"{}""#, BASE64.encode(body)),
    };
    let whole = message.to_string();
    format!("{},{fields}}}", whole.strip_suffix('}').unwrap_or(&whole))
}

fn headers_of(pairs: &[String]) -> Result<serde_json::Map<String, Value>, Failure> {
    let mut headers = serde_json::Map::new();
    for pair in pairs {
        let (name, value) = pair
            .split_once(':')
            .ok_or_else(|| Failure::Usage(format!("header {pair:?} is not \"Name: value\"")))?;
        headers.insert(name.trim().to_owned(), json!(value.trim()));
    }
    Ok(headers)
}

/// The body from wherever it comes; none if standard input is a terminal.
fn body_of(arguments: &Arguments) -> Result<Option<Vec<u8>>, Failure> {
    match (&arguments.body, &arguments.body_file) {
        (Some(text), _) => Ok(Some(text.clone().into_bytes())),
        (None, Some(file)) => read(file).map(Some),
        (None, None) if std::io::stdin().is_terminal() => Ok(None),
        (None, None) => {
            let piped = read(Path::new(STANDARD_INPUT))?;
            Ok((!piped.is_empty()).then_some(piped))
        }
    }
}

/// The bytes of a file, or of standard input.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let (what, result) = if file.as_os_str() == STANDARD_INPUT {
        ("standard input".to_owned(), std::io::stdin().read_to_end(&mut bytes).map(drop))
    } else {
        let opened = std::fs::File::open(file);
        let result = opened.and_then(|mut file| file.read_to_end(&mut bytes).map(drop));
        (file.display().to_string(), result)
    };
    result.map(|()| bytes).map_err(|reason| Failure::Input { what, reason })
}

async fn upload(api: &Api, body: Vec<u8>) -> Result<Value, Failure> {
    let announced = json!({ "bytes": body.len(), "sha256": Sha256::of(&body).to_string() });
    let mut link = api.post("/v1/uploads", announced.to_string()).await?;
    let url = link["url"].as_str().unwrap_or_default().to_owned();
    put(&url, &link["headers"], body).await?;
    Ok(link["uploadId"].take())
}

/// 32 hexadecimal digits that nobody else draws.
pub(crate) fn random_id() -> Result<String, Failure> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(Failure::Randomness)?;
    Ok(HEXLOWER.encode(&bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_exact_text_and_the_rest_is_encoded() {
        let message = json!({"messageId": "m"});
        for (body, expected) in [
            (&b"{\"a\":  1e400}"[..], r#"{"messageId":"m","body":{"a":  1e400}}"#),
            (b"hello", r#"{"messageId":"m","bodyEncoding":"text","body":"hello"}"#),
            (b" 1", r#"{"messageId":"m","bodyEncoding":"text","body":" 1"}"#),
            (b"\xff", r#"{"messageId":"m","bodyEncoding":"base64","body":"/w=="}"#),
        ] {
            assert_eq!(with_body(&message, body), expected);
        }
        let nested = json!({"messageId": "m", "headers": {}});
        expect_test::expect![[r#"{"headers":{},"messageId":"m","body":1}"#]]
            .assert_eq(&with_body(&nested, b"1"));
    }

    #[test]
    fn a_body_is_called_what_it_is_unless_a_header_says() {
        for (body, expected) in [
            (&b"{\"a\": 1}"[..], "application/json"),
            (b"\n{\"a\": 1}\r\n", "application/json"),
            (b"{} {}", "text/plain; charset=utf-8"),
            (b"", "text/plain; charset=utf-8"),
            (b"\"\xff\"", "application/octet-stream"),
        ] {
            let mut headers = serde_json::Map::new();
            add_content_type(&mut headers, body);
            assert_eq!(headers["Content-Type"], expected, "{body:?}");
        }
        let mut given = serde_json::Map::from_iter([("content-TYPE".to_owned(), json!("a/b"))]);
        add_content_type(&mut given, b"{}\n");
        assert_eq!(Value::Object(given), json!({"content-TYPE": "a/b"}));
    }

    #[test]
    fn what_counts_is_the_request_as_the_event_holds_it() {
        let message = json!({"messageId": "m"});
        let fits = |text: &str, times: usize| {
            request_with(&message, text.repeat(times).as_bytes()).is_some()
        };
        assert!(fits("a", 5 << 20) && !fits("a", REQUEST_ESCAPED_BYTES_MAX));
        // U+0001 is 6 bytes in the request, and 7 in the event.
        assert!(fits("\u{1}", 800 << 10) && !fits("\u{1}", 900 << 10));
        // A quote within text is 2 and then 4.
        assert!(fits("\"a", 1 << 20) && !fits("\"a", 6 << 18));
    }
}
