//! Which call a request is: the operation and who makes it, from its first lines alone.

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request};

use super::service::Service;

/// Names the operation of DynamoDB and SQS, as `Prefix.Operation`.
const TARGET: &str = "x-amz-target";
/// Names the object that S3 is to copy.
const COPY_SOURCE: &str = "x-amz-copy-source";
/// Part of an address that carries its signature itself.
const SIGNATURE_IN_QUERY: &str = "X-Amz-Signature=";

/// One call of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) service: Service,
    pub(super) operation: String,
    /// The access key id it is signed with; empty if it is not signed.
    pub(super) caller: String,
}

impl Call {
    /// Reads the call; nothing for a request by a link that was handed out.
    pub(super) fn of<B>(service: Service, request: &Request<B>) -> Option<Self> {
        let query = request.uri().query().unwrap_or_default();
        if query.contains(SIGNATURE_IN_QUERY) {
            return None;
        }
        let operation = match service {
            Service::DynamoDb | Service::Sqs => operation_of_target(request.headers()),
            Service::S3 => operation_of_s3(request).to_owned(),
        };
        Some(Self { service, operation, caller: caller(request.headers()) })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn operation_of_target(headers: &HeaderMap) -> String {
    let target = text(headers, TARGET);
    target.rsplit('.').next().unwrap_or(target).to_owned()
}

fn operation_of_s3<B>(request: &Request<B>) -> &'static str {
    let path = request.uri().path().trim_start_matches('/');
    let has_key = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let is_copy = request.headers().contains_key(COPY_SOURCE);
    match (request.method(), has_key) {
        (&Method::GET, true) => "GetObject",
        (&Method::GET, false) => "ListObjects",
        (&Method::HEAD, true) => "HeadObject",
        (&Method::HEAD, false) => "HeadBucket",
        (&Method::PUT, true) if is_copy => "CopyObject",
        (&Method::PUT, true) => "PutObject",
        (&Method::DELETE, true) => "DeleteObject",
        _ => "Other",
    }
}

fn caller(headers: &HeaderMap) -> String {
    let authorization = text(headers, AUTHORIZATION.as_str());
    let credential = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    credential.split('/').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn s3(method: &str, path: &str, copies: bool) -> Option<String> {
        let mut request = Request::builder().method(method).uri(path);
        if copies {
            request = request.header(COPY_SOURCE, "b/k");
        }
        Call::of(Service::S3, &request.body(()).unwrap()).map(|call| call.operation)
    }

    #[test]
    fn operations_of_s3_follow_from_method_and_path() {
        assert_eq!(s3("PUT", "/bucket/payloads/a", false).unwrap(), "PutObject");
        assert_eq!(s3("PUT", "/bucket/payloads/a", true).unwrap(), "CopyObject");
        assert_eq!(s3("GET", "/bucket/a?x-id=GetObject", false).unwrap(), "GetObject");
        assert_eq!(s3("HEAD", "/bucket", false).unwrap(), "HeadBucket");
        assert_eq!(s3("GET", "/bucket/?list-type=2", false).unwrap(), "ListObjects");
        assert_eq!(s3("PUT", "/bucket/uploads/a?X-Amz-Signature=0", false), None);
    }

    #[test]
    fn the_others_name_their_operation_and_everybody_signs() {
        let request = Request::builder()
            .header(TARGET, "DynamoDB_20120810.PutItem")
            .header(AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=AKIAX/20261121/r/dynamodb/aws4_request, SignedHeaders=host")
            .body(())
            .unwrap();
        let call = Call::of(Service::DynamoDb, &request).unwrap();
        assert_eq!((call.operation.as_str(), call.caller.as_str()), ("PutItem", "AKIAX"));
    }
}
