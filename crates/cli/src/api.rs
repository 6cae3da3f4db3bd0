//! The relay's HTTP API, as far as the commands use it.

use clap::Args;
use reqwest::{Client, RequestBuilder, redirect};
use serde_json::Value;

use crate::Failure;

/// Where the relay is.
#[derive(Args)]
pub(crate) struct Api {
    /// The relay's URL.
    #[arg(long, env = "RELAY_URL", default_value = "http://127.0.0.1:3000")]
    relay_url: String,
}

impl Api {
    /// The URL of a path of the API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.relay_url.trim_end_matches('/'))
    }

    /// Posts a JSON text.
    pub(crate) async fn post(&self, path: &str, json: String) -> Result<Value, Failure> {
        let url = self.url(path);
        let request =
            client(&url)?.post(&url).header("content-type", "application/json").body(json);
        answer(url, request).await
    }

    /// Gets a JSON document.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        let url = self.url(path);
        answer(url.clone(), client(&url)?.get(&url)).await
    }
}

/// A client that follows no redirect: a relay has none, and a message must not go elsewhere.
pub(crate) fn client(url: &str) -> Result<Client, Failure> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .map_err(|reason| Failure::Unreachable { url: url.to_owned(), reason })
}

/// The answer's JSON, if it is a success.
pub(crate) async fn answer(url: String, request: RequestBuilder) -> Result<Value, Failure> {
    let unreachable = |reason: reqwest::Error| Failure::Unreachable { url, reason };
    let exchange = async {
        let response = request.send().await?;
        let status = response.status();
        Ok((status, response.text().await?))
    };
    let (status, text) = exchange.await.map_err(unreachable)?;
    let read = serde_json::from_str::<Value>(&text);
    match read {
        Ok(json) if status.is_success() => Ok(json),
        Err(_) if status.is_success() && text.is_empty() => Ok(Value::Null),
        Ok(_) | Err(_) => Err(Failure::Answered { status: status.as_u16(), answer: text }),
    }
}
