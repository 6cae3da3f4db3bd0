//! The floor of delivering: hyper's client posting a signed body over connections that stay open.
//!
//! As many at a time as the worker lets one destination have of a batch.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::BASE64;
use futures::future::try_join_all;
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::obey;
use crate::error::BenchError;

/// Requests at a time: the worker's own limit for one destination.
const CONNECTIONS: usize = 5;
/// Bytes of the key, those of a derived secret.
const KEY: [u8; 32] = [7; 32];

/// Posts `payload` to `url` as often as told.
///
/// # Errors
/// When the target cannot be reached or does not answer 200.
pub async fn run_loop(
    url: &str,
    payload: &str,
    authority: Option<&Path>,
) -> Result<(), BenchError> {
    let uri: Uri = url.parse().map_err(|_| BenchError::wrong("url", url.as_bytes()))?;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(connect(&uri, authority).await?);
    }
    let open = &*Box::leak(Box::new(tokio::sync::Mutex::new(open)));
    let body = Bytes::from(payload.to_owned());
    obey(|rounds| {
        let (uri, body) = (uri.clone(), body.clone());
        async move {
            let mut open = open.lock().await;
            let each = rounds.div_ceil(CONNECTIONS);
            let posting = open.iter_mut().map(|connection| post_all(connection, &uri, &body, each));
            try_join_all(posting).await.map(|_| ())
        }
    })
    .await
}

async fn post_all(
    connection: &mut SendRequest<Full<Bytes>>,
    uri: &Uri,
    body: &Bytes,
    count: usize,
) -> Result<(), BenchError> {
    let failed = |error: hyper::Error| BenchError::Unexpected(format!("a post failed: {error}"));
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    for number in 0..count {
        let (id, seconds) = (format!("msg_{number:032}"), "1795237200");
        let mut code = Hmac::<Sha256>::new_from_slice(&KEY)
            .map_err(|_| BenchError::Unexpected("no key".to_owned()))?;
        code.update(format!("{id}.{seconds}.").as_bytes());
        code.update(body);
        let signature = format!("v1,{}", BASE64.encode(&code.finalize().into_bytes()));
        let request = Request::post(uri.path())
            .header("host", &host)
            .header("content-type", "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(Full::new(body.clone()))
            .map_err(|error| BenchError::Unexpected(error.to_string()))?;
        connection.ready().await.map_err(failed)?;
        let answer = connection.send_request(request).await.map_err(failed)?;
        if answer.status() != 200 {
            return Err(BenchError::wrong("target", answer.status().as_str().as_bytes()));
        }
        answer.into_body().collect().await.map_err(failed)?;
    }
    Ok(())
}

async fn connect(
    uri: &Uri,
    authority: Option<&Path>,
) -> Result<SendRequest<Full<Bytes>>, BenchError> {
    let failed = |error: hyper::Error| BenchError::Unexpected(format!("no connection: {error}"));
    let host = uri.host().unwrap_or_default().to_owned();
    let address = (host.clone(), uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(address).await.map_err(BenchError::Loopback)?;
    stream.set_nodelay(true).map_err(BenchError::Loopback)?;
    let Some(authority) = authority else {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        return Ok(sender);
    };
    let mut roots = RootCertStore::empty();
    let wrong = || BenchError::wrong("certificate", authority.to_string_lossy().as_bytes());
    let certificate = CertificateDer::from_pem_file(authority).map_err(|_| wrong())?;
    roots.add(certificate).map_err(|_| wrong())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| wrong())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host).map_err(|_| wrong())?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(BenchError::Loopback)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
    tokio::spawn(connection);
    Ok(sender)
}
