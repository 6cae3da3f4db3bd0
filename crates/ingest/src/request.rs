//! The bytes of a request that must be JSON: media type, encoding and size are judged here, the JSON
//! itself is not.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};

use crate::codes::Code;
use crate::event::NotBase64;
use crate::mistakes::Mistakes;
use crate::problem::Problem;
use crate::router::App;

/// Largest request, in bytes: that of Lambda's event, in which it arrives.
pub const REQUEST_BYTES_MAX: usize = 6_291_456;

/// What is answered to a request that is larger.
pub(crate) fn too_large() -> Problem {
    let detail = format!("the request has more than {REQUEST_BYTES_MAX} bytes");
    Problem::new(Code::PayloadTooLarge, detail)
}

/// The bytes of a request that says it is JSON.
pub(crate) struct JsonBytes(pub(crate) Bytes);

impl FromRequest<Arc<App>> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        media_type(request.headers())
            .map_err(|detail| Problem::new(Code::UnsupportedMediaType, detail))?;
        if request.extensions().get::<NotBase64>().is_some() {
            return Err(Mistakes::one("", "must be base64, as its isBase64Encoded says").into());
        }
        Bytes::from_request(request, app).await.map(Self).map_err(|_| too_large())
    }
}

/// JSON in UTF-8, as it is: said so, or left unsaid.
fn media_type(headers: &HeaderMap) -> Result<(), &'static str> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text(header::CONTENT_TYPE).is_some_and(|given| !is_json(given)) {
        return Err("content-type must be application/json, in UTF-8");
    }
    if text(header::CONTENT_ENCODING).is_some_and(|given| !given.eq_ignore_ascii_case("identity")) {
        return Err("content-encoding must be absent: requests are not decompressed");
    }
    Ok(())
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let utf8 = |parameter: &str| {
        parameter.split_once('=').is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("charset")
                && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    };
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| parameter.is_empty() || utf8(parameter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf_8_is_json() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\";",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/json, application/json",
            "application/json; version=1",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }
}
