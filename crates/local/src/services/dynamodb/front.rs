//! The layer in front of the emulator: notes the caller and passes everything on unchanged.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;

use super::{DynamoDbError, calls};
use crate::metrics::AwsMetric;
use crate::services::record::{RECORD_PATH, Recorder, UNSIGNED, access_key_id};

/// Longest request body, in bytes; DynamoDB's own limit.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Headers that belong to one connection, not to the message.
const HOP_BY_HOP: [http::HeaderName; 4] = [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING];

pub(super) struct Front {
    client: reqwest::Client,
    inner_url: String,
    recorder: Recorder,
}

impl Front {
    /// A layer in front of the emulator at `inner_url`.
    pub(super) fn new(inner_url: String, recorder: Recorder) -> Result<Self, DynamoDbError> {
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.map_err(|error| DynamoDbError::Start(error.to_string()))?;
        Ok(Self { client, inner_url, recorder })
    }

    /// Answers one request.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        if request.method() == Method::GET && request.uri().path() == RECORD_PATH {
            return Ok(Response::new(Full::new(self.recorder.to_json().into())));
        }
        Ok(self.pass_on(request).await.unwrap_or_else(|reason| {
            tracing::error!(reason, "the table service could not pass a call on");
            let mut response = Response::new(Full::new(Bytes::from(
                r#"{"__type":"com.amazon.coral.service#InternalServerError"}"#,
            )));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }))
    }

    async fn pass_on(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, String> {
        let (mut head, body) = request.into_parts();
        let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let mut measured = None;
        if let Some((_, operation)) = target.and_then(|target| target.split_once('.')) {
            let caller = access_key_id(&head.headers, &head.uri);
            let caller = caller.unwrap_or_else(|| UNSIGNED.to_owned());
            for (action, resource) in calls::permissions(operation, &body) {
                let table = resource.split('/').next().unwrap_or_default();
                measured.get_or_insert_with(|| (table.to_owned(), operation.to_owned()));
                self.recorder.record(&caller, &action, &resource);
            }
        }
        let started = Instant::now();
        HOP_BY_HOP.iter().for_each(|name| drop(head.headers.remove(name)));
        let inner = self
            .client
            .request(head.method, &self.inner_url)
            .headers(head.headers)
            .body(body)
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let (status, headers) = (inner.status(), inner.headers().clone());
        let mut response =
            Response::new(Full::new(inner.bytes().await.map_err(|error| error.to_string())?));
        if let (true, Some((table, operation))) = (status.is_success(), measured) {
            let dimensions = [("TableName", table.as_str()), ("Operation", operation.as_str())];
            let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.recorder.meter().observe(AwsMetric::TableLatency, &dimensions, took);
        }
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        HOP_BY_HOP.iter().for_each(|name| drop(response.headers_mut().remove(name)));
        Ok(response)
    }
}
