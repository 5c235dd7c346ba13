//! What a request is answered when it cannot be done: a problem document (RFC 9457).

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::interaction::WireError;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub status: StatusCode,
    /// A stable name.
    pub code: &'static str,
    /// What to do.
    pub detail: String,
    /// Seconds after which it may work.
    pub retry_after: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    fn later(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    pub fn token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "token", "send a token: Authorization: Bearer …")
    }

    pub fn scope() -> Self {
        Self::new(StatusCode::FORBIDDEN, "scope", "the token needs the scope send")
    }

    pub fn signature(detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "signature", detail)
    }

    pub fn missing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "missing", "there is POST /v1/interactions; see /openapi.json")
    }

    pub fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this address takes POST")
    }

    pub fn media_type() -> Self {
        let detail = "send application/json, or application/x-ndjson with one interaction a line";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail)
    }

    pub fn too_large(limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("a request may have {limit} bytes"))
    }

    pub fn body(error: &WireError) -> Self {
        let status = match error {
            WireError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            WireError::NotUtf8 { .. } | WireError::NotJson { .. } | WireError::NotAnObject { .. } => {
                StatusCode::BAD_REQUEST
            }
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.class(), error.to_string())
    }

    pub fn value(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    pub fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests at the same time").later(1)
    }

    pub fn store() -> Self {
        let detail = "the database that knows the tokens does not answer";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", detail).later(5)
    }

    pub fn broker(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "broker", detail).later(2)
    }

    /// Beside others, in the answer to a batch.
    pub fn line(&self, line: usize) -> serde_json::Value {
        json!({ "line": line, "code": self.code, "detail": self.detail })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let document = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(),
            "detail": self.detail, "code": self.code,
        });
        let mut response = (self.status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED && self.code == "token" {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"smista\""));
        }
        response
    }
}
