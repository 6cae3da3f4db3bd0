//! The relay's HTTP API, as far as the commands use it. Requests bring an API key and are not signed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use relay_core::access::ApiKey;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Method, RequestBuilder, Url, redirect};
use serde_json::Value;

use crate::{Failure, environment_file};

/// How long a call of the API may take. A deployed relay's gateway gives up after 30 s, and its answer
/// says more than a timeout here.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(35);

/// How long an idle connection is kept, as while a large body is uploaded or a busy relay is waited for. A gateway drops
/// one after a while that it does not tell, and a POST that goes out on it just then fails: nobody knows whether it came.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(20);

const UNAUTHENTICATED: u16 = 401;
const FORBIDDEN: u16 = 403;

const URL: &str = "RELAY_URL";
const KEY: &str = "RELAY_API_KEY";
/// Where the receiver of the relay on one machine is; a deployed relay has none.
const RECEIVER_URL: &str = "RELAY_RECEIVER_URL";
/// Where `cargo run` is by default.
const URL_DEFAULT: &str = "http://127.0.0.1:3000";

/// Where to find what was not given.
const NO_KEY: &str = "no API key was given: set RELAY_API_KEY, or give --env-file .relay/env for the relay on this \
                      machine; `relay keys create` makes one for a deployed relay";
const BAD_KEY: &str = "the relay does not take this API key: it may be another relay's, revoked, expired, replaced, or \
                       not allowed from this address, or it has to sign its requests, which this command does not do";
const OPEN_LINE: &str = "the API key is not sent over plain http://, where anybody on the way reads it: give the relay's \
                         https:// URL, or one of this machine (127.0.0.1, [::1], localhost)";
const WEAK_KEY: &str = "the API key is good, but not for this: it lacks the scope, or the sender";

/// Where the relay is, and the key to it.
#[derive(Args, Default)]
pub(crate) struct ApiArguments {
    /// The relay's URL; RELAY_URL of the file or the environment if absent, else http://127.0.0.1:3000.
    #[arg(long, visible_alias = "url")]
    relay_url: Option<String>,
    /// The API key; RELAY_API_KEY of the file or the environment if absent, which others on this machine do not see.
    #[arg(long)]
    api_key: Option<String>,
    /// A file of variables that take the place of the environment: RELAY_URL and RELAY_API_KEY. The relay on one
    /// machine writes .relay/env.
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

impl ApiArguments {
    /// The API that is meant.
    pub(crate) fn api(self) -> Result<Api, Failure> {
        let file = self.env_file.as_deref().map(environment_file::read).transpose()?;
        let outer = |name: &str| std::env::var(name).ok();
        Api::of(self.relay_url, self.api_key, file.as_ref(), &outer)
    }
}

/// A relay's API.
pub(crate) struct Api {
    relay_url: String,
    receiver_url: Option<String>,
    key: Option<ApiKey>,
    client: Client,
}

impl Api {
    fn of(
        url: Option<String>,
        key: Option<String>,
        file: Option<&BTreeMap<String, String>>,
        outer: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let lookup = |name: &str| match file {
            Some(file) => file.get(name).cloned(),
            None => outer(name),
        };
        let named = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let relay_url = url.or_else(|| named(URL)).unwrap_or_else(|| URL_DEFAULT.to_owned());
        let parse = |text: String| ApiKey::parse(text.trim()).ok_or_else(no_key);
        let key = key.or_else(|| named(KEY)).map(parse).transpose()?;
        let client = client(&relay_url, &relay_url)?;
        let api = Self { relay_url, receiver_url: named(RECEIVER_URL), key, client };
        // Asked of a whole URL: what precedes the path may have a host only together with it.
        if api.has_key() && is_read_on_the_way(&api.url("/health")) {
            return Err(Failure::Usage(OPEN_LINE.to_owned()));
        }
        Ok(api)
    }

    /// The receiver of the relay on one machine, if the variables name it.
    pub(crate) fn receiver_url(&self) -> Option<&str> {
        self.receiver_url.as_deref()
    }

    /// Whether there is a key to bring.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// The URL of a path of the API.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.relay_url.trim_end_matches('/'))
    }

    /// Posts a JSON text.
    pub(crate) async fn post(&self, path: &str, json: String) -> Result<Value, Failure> {
        self.ask(json_body(self.call(Method::POST, path), json)).await
    }

    /// Gets a JSON document.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(self.call(Method::GET, path)).await
    }

    /// A request that brings the key, if there is one.
    pub(crate) fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.call_without_key(method, path);
        match &self.key {
            Some(key) => request.bearer_auth(key.reveal()),
            None => request,
        }
    }

    /// The same without the key.
    pub(crate) fn call_without_key(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).timeout(CALL_TIMEOUT)
    }

    /// The answer, whatever it is.
    pub(crate) async fn answer(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        exchange(&self.relay_url, request).await
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Value, Failure> {
        self.document(self.answer(request).await?)
    }

    /// The JSON of an answer that is a success; what others mean is the error.
    pub(crate) fn document(&self, answer: Answer) -> Result<Value, Failure> {
        let Answer { status, text, .. } = answer;
        match (status, &self.key) {
            (UNAUTHENTICATED, None) => {
                Err(Failure::NotLetIn { status, answer: text, hint: NO_KEY })
            }
            (UNAUTHENTICATED, Some(_)) => {
                Err(Failure::NotLetIn { status, answer: text, hint: BAD_KEY })
            }
            (FORBIDDEN, _) => Err(Failure::NotLetIn { status, answer: text, hint: WEAK_KEY }),
            (_, _) => success("the relay", status, text),
        }
    }
}

/// The request with a JSON text.
pub(crate) fn json_body(request: RequestBuilder, json: String) -> RequestBuilder {
    request.header("content-type", "application/json").body(json)
}

/// What somebody answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
    /// How long it asks to be left alone, in seconds, if it says so.
    pub(crate) retry_after_seconds: Option<u64>,
}

/// Whoever mistypes a key is told so without a request, and the key is not repeated.
fn no_key() -> Failure {
    let text =
        "the API key is none (rk_ and 75 characters): it is mistyped, or a part of it is missing";
    Failure::Usage(text.to_owned())
}

/// A client for a URL, which errors call `place`. It follows no redirect: a relay has none, and a
/// message must not go elsewhere.
pub(crate) fn client(url: &str, place: &str) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .pool_idle_timeout(IDLE_CONNECTION_KEPT);
    if is_loopback(url) {
        // A proxy's loopback is another machine's.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|reason| unreachable(place, reason))
}

/// Whether the URL's host is this machine by any of the names that need no lookup.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host.trim_end_matches('.') == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a request goes to another machine without TLS. A URL that is none goes nowhere.
fn is_read_on_the_way(url: &str) -> bool {
    Url::parse(url).is_ok_and(|parsed| parsed.scheme() == "http") && !is_loopback(url)
}

/// The error without its URL, which may be a link that is not to be shown.
fn unreachable(place: &str, reason: reqwest::Error) -> Failure {
    Failure::Unreachable { place: place.to_owned(), reason: reason.without_url() }
}

/// Uploads a body. The link is not shown: whoever has it may upload. How long it takes depends on the
/// body and the line, so it has no timeout.
pub(crate) async fn put(url: &str, headers: &Value, body: Vec<u8>) -> Result<(), Failure> {
    let place = "the upload link";
    let mut request = client(url, place)?.put(url);
    for (name, value) in headers.as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap_or_default());
    }
    let Answer { status, text, .. } = exchange(place, request.body(body)).await?;
    success(place, status, text).map(drop)
}

async fn exchange(place: &str, request: RequestBuilder) -> Result<Answer, Failure> {
    let exchange = async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after_seconds = retry_after.and_then(|text| text.trim().parse().ok());
        Ok(Answer { status, text: response.text().await?, retry_after_seconds })
    };
    exchange.await.map_err(|reason| unreachable(place, reason))
}

/// The answer's JSON, if it is a success.
fn success(place: &str, status: u16, text: String) -> Result<Value, Failure> {
    let is_success = (200..300).contains(&status);
    match serde_json::from_str::<Value>(&text) {
        Ok(json) if is_success => Ok(json),
        Err(_) if is_success && text.is_empty() => Ok(Value::Null),
        Ok(_) | Err(_) => Err(Failure::Answered { place: place.to_owned(), status, answer: text }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use std::net::SocketAddr;

    use axum::Router;
    use axum::extract::ConnectInfo;
    use axum::routing::get;
    use tokio::net::TcpListener;
    use tokio::time::{advance, pause, resume};

    use super::*;

    #[tokio::test]
    async fn a_connection_that_was_idle_for_long_is_not_used_again() {
        let port = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.port().to_string();
        let router = Router::new().route("/", get(port));
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, service).await });
        let api = api(Some(&url), None, None).unwrap();
        let after = async |idle| {
            pause();
            advance(idle).await;
            resume();
            api.get("/").await.unwrap()
        };
        let first = after(Duration::ZERO).await;
        assert_eq!(after(IDLE_CONNECTION_KEPT / 2).await, first);
        assert_ne!(after(IDLE_CONNECTION_KEPT * 3 / 2).await, first);
    }

    #[test]
    fn a_call_of_the_api_ends() {
        let api = api(Some("http://127.0.0.1:3000/"), None, None).unwrap();
        let request = api.call(Method::GET, "/v1/messages/m").build().unwrap();
        assert_eq!(request.timeout(), Some(&CALL_TIMEOUT));
        assert_eq!(request.url().as_str(), "http://127.0.0.1:3000/v1/messages/m");
    }

    fn api(
        url: Option<&str>,
        key: Option<&str>,
        file: Option<&[(&str, &str)]>,
    ) -> Result<Api, Failure> {
        let file: Option<BTreeMap<String, String>> =
            file.map(|all| all.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
        let outer = |name: &str| match name {
            KEY => Some(key_of(1)),
            URL => Some("https://outer".to_owned()),
            _ => None,
        };
        Api::of(url.map(str::to_owned), key.map(str::to_owned), file.as_ref(), &outer)
    }

    fn key_of(seed: u8) -> String {
        ApiKey::draw([seed; 16], [[seed; 16]; 2]).reveal()
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_takes_the_place_of_the_environment() {
        let told = |api: Result<Api, Failure>| {
            let api = api.ok().unwrap();
            (api.relay_url, api.key.map(|key| key.reveal()))
        };
        let outer = ("https://outer".to_owned(), Some(key_of(1)));
        assert_eq!(told(api(None, None, None)), outer);
        assert_eq!(told(api(None, None, Some(&[]))), (URL_DEFAULT.to_owned(), None));
        let file: &[(&str, &str)] = &[(URL, "https://file"), (KEY, &key_of(2))];
        let of_file = ("https://file".to_owned(), Some(key_of(2)));
        assert_eq!(told(api(None, None, Some(file))), of_file);
        let given = ("https://given".to_owned(), Some(key_of(3)));
        assert_eq!(told(api(Some("https://given"), Some(&key_of(3)), Some(file))), given);
    }

    #[test]
    fn the_key_goes_along_and_a_mistyped_one_is_not_repeated() {
        let request = api(None, None, None).unwrap().call(Method::GET, "/v1/uploads");
        let request = request.build().unwrap();
        let header = &request.headers()["authorization"];
        assert_eq!(header.to_str().unwrap(), format!("Bearer {}", key_of(1)));
        assert!(header.is_sensitive(), "{header:?}");
        let mistyped = key_of(1).replace('a', "b");
        let failure = api(None, Some(&mistyped), None).err().unwrap().to_string();
        assert!(failure.contains("mistyped") && !failure.contains(&mistyped), "{failure}");
    }

    #[test]
    fn a_key_goes_in_the_clear_to_this_machine_alone() {
        for url in [
            "https://relay.example",
            "http://127.0.0.1:3000",
            "http://127.8.8.8",
            "http://[::1]:3000/",
            "http://localhost:3000/_aws/execute-api/a/$default",
        ] {
            assert!(api(Some(url), Some(&key_of(1)), None).is_ok(), "{url}");
        }
        for url in [
            "http://relay.example",
            "HTTP://relay.example",
            " http://relay.example",
            "http://10.0.0.1:3000",
            "http://localhost@relay.example/",
            "http://localhost.relay.example",
            "http://",
            "http:relay.example",
        ] {
            let failure = api(Some(url), Some(&key_of(1)), None).err();
            let failure = failure.unwrap_or_else(|| panic!("{url} is taken")).to_string();
            assert!(failure.contains("https://") && !failure.contains("rk_"), "{failure}");
            // Who has no key has nothing to lose on the way.
            assert!(api(Some(url), None, Some(&[])).is_ok(), "{url}");
        }
    }

    #[test]
    fn loopback_is_known_by_each_of_its_names() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "127.1",
            "[::1]",
            "localhost",
            "LOCALHOST.",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(&format!("http://{host}:3000/a")), "{host}");
        }
        for host in ["128.0.0.1", "10.0.0.1", "[::2]", "localhost.example", "127.0.0.1.example"] {
            assert!(!is_loopback(&format!("http://{host}/")), "{host}");
        }
    }
}
