//! Requests through the gateway to a function and back.

use relay_local::gateway::{Gateway, GatewayOptions, Routes};
use relay_local::lambda::FunctionHost;
use relay_local::schedule::ScheduledEvent;
use relay_local::services::bind;
use relay_local::services::record::Recorder;
use relay_local::template::description::{Cors, Route};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::function::{PATIENCE, settings, start};

async fn gateway() -> (Gateway, String) {
    let tested = Arc::new(start(10, 2).await.unwrap());
    gateway_to(BTreeMap::from([("Tested".to_owned(), tested)]), BTreeMap::new()).await
}

async fn gateway_to(
    functions: BTreeMap<String, Arc<FunctionHost>>,
    scheduled: BTreeMap<String, ScheduledEvent>,
) -> (Gateway, String) {
    let listener = bind(0).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let route = |method: &str, path: &str| Route {
        method: method.to_owned(),
        path: path.to_owned(),
        function: "Tested".to_owned(),
    };
    let routes = [route("POST", "/echo/{id}"), route("GET", "/fail"), route("GET", "/slow")];
    let cors = Cors {
        allow_origins: vec!["*".to_owned()],
        allow_methods: vec!["POST".to_owned()],
        ..Cors::default()
    };
    let gateway = Gateway::start(GatewayOptions {
        listener,
        routes: Routes::new(&routes).unwrap(),
        cors: Some(cors),
        functions,
        scheduled,
        account_id: "000000000000".to_owned(),
        recorder: Recorder::default(),
    });
    (gateway, url)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_request_becomes_an_event_and_the_answer_a_response() {
    let (gateway, url) = gateway().await;
    let request = client().post(format!("{url}/echo/7?a=1")).header("origin", "https://a.example");
    let request = request.header("content-type", "application/json").body("{\"n\": 1e400}");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["x-of-function"], "1");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let event: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(event["routeKey"], "POST /echo/{id}");
    assert_eq!(event["pathParameters"]["id"], "7");
    assert_eq!(event["body"], "{\"n\": 1e400}");
    gateway.stop().await;
}

#[tokio::test]
async fn the_gateway_answers_what_no_function_answers() {
    let (gateway, url) = gateway().await;
    let check = async |request: reqwest::RequestBuilder, status: u16, message: &str| {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{message}");
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(body["message"], message);
    };
    let client = client();
    check(client.get(format!("{url}/nowhere")), 404, "Not Found").await;
    check(client.get(format!("{url}/echo/7")), 404, "Not Found").await;
    check(client.get(format!("{url}/fail")), 500, "Internal Server Error").await;
    // Under the limit as it is sent, over it in the event: each quote becomes two characters.
    let quotes = client.post(format!("{url}/echo/7")).header("content-type", "text/plain");
    let quotes = quotes.body("\"".repeat(3_200_000));
    check(quotes, 413, "Request Entity Too Large").await;
    gateway.stop().await;
}

#[tokio::test]
async fn preflight_requests_never_reach_a_function() {
    let (gateway, url) = gateway().await;
    let request = client().request(reqwest::Method::OPTIONS, format!("{url}/nowhere"));
    let request = request.header("origin", "https://a.example");
    let request = request.header("access-control-request-method", "POST");
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 204);
    assert_eq!(response.headers()["access-control-allow-methods"], "POST");
    gateway.stop().await;
}

#[tokio::test]
async fn the_environments_are_listed() {
    let (gateway, url) = gateway().await;
    let response = client().get(format!("{url}/_local/environments")).send().await.unwrap();
    let list: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(list[0]["function"], "tested");
    assert_eq!(list[0]["state"], "idle");
    assert!(list[0]["pid"].as_u64().unwrap() > 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_scheduled_function_can_be_run_now() {
    let mut failing = settings(10, 1);
    failing.environment.insert("FAIL_WHEN_SCHEDULED".to_owned(), "yes".to_owned());
    let functions = BTreeMap::from([
        ("Failing".to_owned(), Arc::new(FunctionHost::start(failing).await.unwrap())),
        ("Scheduled".to_owned(), Arc::new(start(10, 1).await.unwrap())),
        ("Tested".to_owned(), Arc::new(start(10, 1).await.unwrap())),
    ]);
    let event = |name: &str| ScheduledEvent {
        rule_arn: format!("arn:aws:events:us-east-1:000000000000:rule/{name}"),
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
    };
    let scheduled = ["Failing", "Scheduled"].map(|name| (name.to_owned(), event(name)));
    let (gateway, url) = gateway_to(functions, scheduled.into()).await;
    let invoke = async |name: &str| {
        let request = client().post(format!("{url}/_local/functions/{name}/invoke"));
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json", "{name}");
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, answer) = invoke("Scheduled").await;
    assert_eq!((status, answer["source"].as_str()), (200, Some("aws.events")), "{answer}");
    assert_eq!(answer["resources"][0], "arn:aws:events:us-east-1:000000000000:rule/Scheduled");
    let (status, answer) = invoke("Failing").await;
    assert_eq!(status, 502);
    assert!(answer["message"].as_str().unwrap().contains("as asked"), "{answer}");
    for name in ["Tested", "Nobody"] {
        let (status, answer) = invoke(name).await;
        assert_eq!(status, 404);
        let expected = r#"is no scheduled function; there are ["Failing", "Scheduled"]"#;
        assert_eq!(answer["message"], format!("`{name}` {expected}"));
    }
    let get = client().get(format!("{url}/_local/functions/Scheduled/invoke")).send();
    assert_eq!(get.await.unwrap().status(), 404, "looking at it runs nothing");
    gateway.stop().await;
}

/// Sends bytes as they are over a connection of their own.
async fn send(url: &str, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_body_that_is_no_http_is_a_bad_request() {
    let (gateway, url) = gateway().await;
    let head = "POST /echo/7 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut stream = send(&url, &format!("{head}zz\r\n")).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("{\"message\":\"Bad Request\"}"), "{answer}");
    gateway.stop().await;
}

#[tokio::test]
async fn stopping_waits_for_functions_and_not_for_callers() {
    let (gateway, url) = gateway().await;
    let _half_a_head = send(&url, "POST /echo/7 HTTP/1.1\r\nhost:").await;
    let half_a_body = "POST /echo/7 HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc";
    let _half_a_body = send(&url, half_a_body).await;
    let slow = tokio::spawn(client().get(format!("{url}/slow")).send());
    let began = Instant::now();
    let is_busy = async || {
        let list = client().get(format!("{url}/_local/environments")).send().await.unwrap();
        list.text().await.unwrap().contains("\"busy\"")
    };
    while !is_busy().await {
        assert!(began.elapsed() < PATIENCE, "the function did not begin");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    gateway.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "it waited for half a request");
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
}
