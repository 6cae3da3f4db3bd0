//! F26: targets that the relay must not send to. Those that name an address are refused when they are
//! posted; names and redirects when they are followed, which is tried on loopback alone.

use serde_json::json;

use crate::support::{Client, Launch, Listener, message, shared};

#[tokio::test]
async fn f26_an_address_that_is_not_public_is_refused_when_it_is_posted() {
    // A stack that would deliver nothing before it ends, should one of these be taken.
    let idle = Launch::new("idle").parameter("BatchWindowSeconds", "60");
    let stack = idle.parameter("BatchSize", "100").start();
    let client = Client::of(&stack);
    let listener = Listener::start().await;
    let port = listener.port;
    let mut targets: Vec<String> = [
        "http://169.254.169.254/",
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:9001/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://127.1/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://255.255.255.255/",
        "http://224.0.0.1/",
        "http://192.0.2.1/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[2002:7f00:1::]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2001:db8::1]/",
        "http://[::127.0.0.1]/",
        "http://①②⑦.⓪.⓪.①/",
        "http://127.0.0.1%2f@127.0.0.2/",
    ]
    .map(str::to_owned)
    .into();
    for host in ["127.0.0.1", "0x7f.1", "2130706433", "0.0.0.0", "[::ffff:127.0.0.1]"] {
        targets.push(format!("http://{host}:{port}/"));
    }
    for target in &targets {
        let answer = client.post(&message("refused", target)).await;
        let has_user = target.contains('@');
        let (status, code) =
            if has_user { (400, "VALIDATION_ERROR") } else { (422, "TARGET_REFUSED") };
        assert_eq!((answer.status, answer.pointers()), (status, vec!["/targetUrl"]), "{target}");
        assert_eq!(answer.json["code"], code, "{target}");
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn f26_a_name_that_resolves_to_a_private_address_is_never_connected_to() {
    let stack = shared();
    let client = Client::of(stack);
    let listener = Listener::start().await;
    for host in ["localhost", "localhost.", "LOCALHOST"] {
        let target = format!("http://{host}:{}/", listener.port);
        let id = client.accept(&message("name", &target)).await;
        let shown = client.finished(&id).await;
        assert_eq!(
            (&shown["status"], &shown["reason"]),
            (&json!("DEAD"), &json!("target_refused"))
        );
        assert_eq!(shown["outcomes"][0]["error"], "address_refused", "{shown}");
        assert_eq!(shown["attempts"], 1, "asking again cannot help");
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn f26_a_redirect_is_never_followed() {
    let stack = shared();
    let client = Client::of(stack);
    let listener = Listener::start().await;
    for location in [
        format!("http://127.0.0.1:{}/", listener.port),
        format!("http://localhost:{}/", listener.port),
        stack.target("/demo/ok?followed"),
    ] {
        let target = stack.target("/demo/redirect");
        let mut url = url::Url::parse(&target).unwrap();
        url.query_pairs_mut().append_pair("to", &location);
        let id = client.accept(&message("redirect", url.as_str())).await;
        let shown = client.finished(&id).await;
        assert_eq!((&shown["status"], &shown["reason"]), (&json!("DEAD"), &json!("redirected")));
        assert_eq!(shown["outcomes"][0]["status"], 302, "{shown}");
        assert_eq!(client.received(&id).await.len(), 1, "{location} was not called");
    }
    assert_eq!(listener.connections(), 0);
}

#[tokio::test]
async fn f26_the_services_of_the_stack_are_no_targets() {
    let stack = shared();
    let client = Client::of(stack);
    let services = ["SQS", "S3", "DYNAMODB", "SECRETS_MANAGER"];
    let urls = services.map(|name| stack.environment[&format!("AWS_ENDPOINT_URL_{name}")].clone());
    for url in urls.iter().chain([&stack.url]) {
        let answer = client.post(&message("service", url)).await;
        assert_eq!((answer.status, &answer.json["code"]), (422, &json!("TARGET_REFUSED")), "{url}");
    }
}
