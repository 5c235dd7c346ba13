//! What a call answers when it cannot do what was asked: a problem document (RFC 9457).

use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::console::fault::Fault;
use crate::store::StoreError;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// No token, or none that is known.
    Token,
    /// The token is not allowed this; what it needs.
    Scope(&'static str),
    /// There is something there, but not by this method.
    Method,
    /// A value makes no sense; which and why.
    Value(String),
    /// What a page would say, too.
    Fault(Fault),
}

/// A problem document.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Document {
    /// Always `about:blank`: the status says it; `code` tells apart.
    pub r#type: &'static str,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What to do.
    pub detail: String,
    /// A stable name.
    pub code: &'static str,
}

impl Problem {
    fn document(&self) -> Document {
        let (status, code, detail) = match self {
            Self::Token => {
                (StatusCode::UNAUTHORIZED, "token", "send a token: Authorization: Bearer …".to_owned())
            }
            Self::Scope(scope) => {
                (StatusCode::FORBIDDEN, "scope", format!("the token needs the scope {scope}"))
            }
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "see the header Allow, and /api/openapi.json".to_owned(),
            ),
            Self::Value(why) => (StatusCode::UNPROCESSABLE_ENTITY, "value", why.clone()),
            Self::Fault(fault) => {
                let (code, detail) = match fault {
                    Fault::BadRequest => ("value", "a value is not one of those in /api/openapi.json"),
                    Fault::SignIn | Fault::Forbidden | Fault::Forged => ("forbidden", "this is not allowed"),
                    Fault::NotFound => ("missing", "there is no such thing; it may have been erased"),
                    Fault::Conflict => {
                        ("overtaken", "somebody else corrected it just now; read it again, then repeat")
                    }
                    Fault::Broker => {
                        ("broker", "RabbitMQ does not answer, or this console has none; nothing was changed")
                    }
                    Fault::Unavailable => {
                        ("store", "the database does not answer; nothing was changed; try again")
                    }
                };
                let status = match fault {
                    Fault::BadRequest => StatusCode::UNPROCESSABLE_ENTITY,
                    other => other.status(),
                };
                (status, code, detail.to_owned())
            }
        };
        let title = status.canonical_reason().unwrap_or("Error");
        Document { r#type: "about:blank", title, status: status.as_u16(), detail, code }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = self.document();
        let status = StatusCode::from_u16(document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let challenge = match self {
            Self::Token => Some("Bearer realm=\"smista\""),
            Self::Scope(_) => Some("Bearer realm=\"smista\", error=\"insufficient_scope\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
