//! The secrets service, spoken to by the real SDK: what the relay's vault builds on, how a master secret is replaced, and
//! the record of calls.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use relay_core::access::MasterSecrets;
use relay_local::services::bind;
use relay_local::services::record::{Call, Recorder};
use relay_local::services::secrets_manager::{
    SecretSpecification, SecretsManagerOptions, SecretsManagerServer,
};

const CALLER: &str = "LOCALTEST";
const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:relay-Master-local1";
const NAME: &str = "relay-Master";

async fn start(folder: &Path) -> (SecretsManagerServer, Client, Recorder) {
    let recorder = Recorder::default();
    let server = SecretsManagerServer::start(SecretsManagerOptions {
        listener: bind(0).await.unwrap(),
        folder: folder.join("secrets"),
        recorder: recorder.clone(),
    });
    let server = server.await.unwrap();
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(CALLER, "secret", None, None, "test"))
        .endpoint_url(server.url())
        .build();
    (server, Client::from_conf(config), recorder)
}

fn wanted() -> SecretSpecification {
    SecretSpecification {
        name: NAME.to_owned(),
        arn: ARN.to_owned(),
        template: serde_json::from_str(r#"{"current":"1"}"#).unwrap(),
        key: "1".to_owned(),
        characters: 64,
    }
}

#[tokio::test]
async fn a_secret_is_read_by_name_and_arn_and_is_still_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client, recorder) = start(folder.path()).await;
    let text = server.create_secret(&wanted()).unwrap();
    for id in [NAME, ARN] {
        let got = client.get_secret_value().secret_id(id).send().await.unwrap();
        assert_eq!(got.secret_string(), Some(text.as_str()));
        assert_eq!((got.name(), got.arn()), (Some(NAME), Some(ARN)));
        assert_eq!(got.version_stages(), ["AWSCURRENT"]);
        assert!(got.created_date().is_some() && got.version_id().is_some());
    }
    let call = Call {
        caller: CALLER.to_owned(),
        action: "secretsmanager:GetSecretValue".to_owned(),
        resource: "secret:relay-Master-local1".to_owned(),
    };
    assert_eq!(recorder.snapshot(), [call]);
    server.shutdown().await;

    let (server, client, _) = start(folder.path()).await;
    assert_eq!(server.create_secret(&wanted()).unwrap(), text);
    let again = client.get_secret_value().secret_id(ARN).send().await.unwrap();
    assert_eq!(again.secret_string(), Some(text.as_str()));
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_by_the_services_own_errors() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client, recorder) = start(folder.path()).await;
    server.create_secret(&wanted()).unwrap();
    let get = || client.get_secret_value();
    for request in [
        get().secret_id("other"),
        get().secret_id(ARN.replace("Master", "Other")),
        get().secret_id(NAME).version_id("another-version-that-never-was-there"),
        get().secret_id(NAME).version_stage("AWSPREVIOUS"),
    ] {
        let error = request.send().await.unwrap_err().into_service_error();
        assert!(error.is_resource_not_found_exception(), "{error:?}");
    }
    let error = client.describe_secret().secret_id(NAME).send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnknownOperationException"));
    let error = client.put_secret_value().secret_id(NAME).version_stages("OTHER");
    let error = error.secret_string("{}").send().await.unwrap_err().into_service_error();
    assert!(error.is_invalid_parameter_exception(), "{error:?}");
    // What names no secret needs no right to one.
    assert!(recorder.snapshot().iter().all(|call| call.resource == "secret:relay-Master-local1"));
    server.shutdown().await;
}

#[tokio::test]
async fn a_master_secret_is_replaced_beside_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client, _) = start(folder.path()).await;
    let text = server.create_secret(&wanted()).unwrap();
    let mut object: serde_json::Value = serde_json::from_str(&text).unwrap();
    object["2"] = "b".repeat(64).into();
    object["current"] = "2".into();
    let token = "00000000-0000-4000-8000-000000000001";
    let put = |text: String| {
        let request = client.put_secret_value().secret_id(NAME).secret_string(text);
        request.client_request_token(token).send()
    };
    // Twice: the answer to the first may have been lost.
    for _ in 0..2 {
        assert_eq!(put(object.to_string()).await.unwrap().version_id(), Some(token));
    }
    let error = put(text.clone()).await.unwrap_err().into_service_error();
    assert!(error.is_resource_exists_exception(), "{error:?}");
    let got = client.get_secret_value().secret_id(ARN).send().await.unwrap();
    let masters = MasterSecrets::parse(got.secret_string().unwrap()).unwrap();
    assert_eq!(masters.current().as_str(), "2");
    assert_eq!(got.version_id(), Some(token));
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_not_signed_or_meant_for_another_host_is_refused() {
    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=LOCALTEST/20261121/us-east-1/secretsmanager/aws4_request, \
                          SignedHeaders=host, Signature=00";
    let folder = tempfile::tempdir().unwrap();
    let (server, _, recorder) = start(folder.path()).await;
    let text = server.create_secret(&wanted()).unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = http.post(server.url()).body(format!(r#"{{"SecretId":"{NAME}"}}"#));
        request = request.header("x-amz-target", "secretsmanager.GetSecretValue");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (headers, code) in [
        (&[][..], "MissingAuthenticationTokenException"),
        (&[("authorization", "Bearer x")], "MissingAuthenticationTokenException"),
        (&[("authorization", SIGNED), ("host", "evil.example")], "AccessDeniedException"),
        (&[("authorization", SIGNED), ("host", "192.0.2.1:80")], "AccessDeniedException"),
        (&[("authorization", SIGNED), ("host", "127.0.0.1.evil.example")], "AccessDeniedException"),
    ] {
        let (status, answer) = ask(headers).await;
        assert!(status == 400 && answer.contains(code), "{headers:?}: {status} {answer}");
        assert!(!answer.contains("SecretString"), "{headers:?}");
    }
    assert_eq!(recorder.snapshot(), []);
    for host in ["127.0.0.1:1", "localhost", "[::1]:1"] {
        let (status, answer) = ask(&[("authorization", SIGNED), ("host", host)]).await;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        let got = answer["SecretString"].as_str();
        assert!(status == 200 && got == Some(text.as_str()), "{host}: {status}");
    }
    server.shutdown().await;
}
