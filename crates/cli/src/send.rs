//! `relay send`: one message from flags, a file or standard input. A body that is too large for a
//! request is uploaded first.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use data_encoding::{BASE64, HEXLOWER};
use relay_core::body::Sha256;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::Failure;
use crate::api::{Api, answer, client};

/// Bodies above this go by upload. The API documents 2.9 MiB as always fitting; base64 takes a third.
const REQUEST_BODY_BYTES_MAX: usize = 2 << 20;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    api: Api,
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
    #[arg(long, conflicts_with_all = ["target_url", "body", "body_file", "message_id", "headers"])]
    message: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let request = match &arguments.message {
        Some(file) => String::from_utf8(read(file)?)
            .map_err(|_| Failure::Usage("the message is not UTF-8".to_owned()))?,
        None => message_of(&arguments).await?,
    };
    let accepted = arguments.api.post("/v1/messages", request).await?;
    println!("{accepted:#}");
    Ok(ExitCode::SUCCESS)
}

async fn message_of(arguments: &Arguments) -> Result<String, Failure> {
    let mut message = serde_json::Map::new();
    let message_id = arguments.message_id.clone().map_or_else(random_id, Ok)?;
    message.insert("messageId".to_owned(), json!(message_id));
    message.insert("senderId".to_owned(), json!(arguments.sender_id));
    message.insert("targetUrl".to_owned(), json!(arguments.target_url));
    message.insert("method".to_owned(), json!(arguments.method));
    message.insert("headers".to_owned(), headers_of(&arguments.headers)?);
    let Some(body) = body_of(arguments)? else { return Ok(Value::Object(message).to_string()) };
    if body.len() > REQUEST_BODY_BYTES_MAX {
        let upload_id = upload(&arguments.api, body).await?;
        message.insert("payload".to_owned(), json!({ "uploadId": upload_id }));
        return Ok(Value::Object(message).to_string());
    }
    Ok(with_body(&Value::Object(message), &body))
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

fn headers_of(pairs: &[String]) -> Result<Value, Failure> {
    let mut headers = serde_json::Map::new();
    for pair in pairs {
        let (name, value) = pair
            .split_once(':')
            .ok_or_else(|| Failure::Usage(format!("header {pair:?} is not \"Name: value\"")))?;
        headers.insert(name.trim().to_owned(), json!(value.trim()));
    }
    Ok(Value::Object(headers))
}

/// The body from wherever it comes; none if standard input is a terminal.
fn body_of(arguments: &Arguments) -> Result<Option<Vec<u8>>, Failure> {
    match (&arguments.body, &arguments.body_file) {
        (Some(text), _) => Ok(Some(text.clone().into_bytes())),
        (None, Some(file)) => read(file).map(Some),
        (None, None) if std::io::stdin().is_terminal() => Ok(None),
        (None, None) => {
            let piped = read(&PathBuf::from("-"))?;
            Ok((!piped.is_empty()).then_some(piped))
        }
    }
}

fn read(file: &PathBuf) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let (what, result) = if file.as_os_str() == "-" {
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
    let mut request = client(&url)?.put(&url);
    for (name, value) in link["headers"].as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap_or_default());
    }
    // The link is not shown: whoever has it may upload.
    answer("the upload link".to_owned(), request.body(body)).await?;
    Ok(link["uploadId"].take())
}

fn random_id() -> Result<String, Failure> {
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
}
