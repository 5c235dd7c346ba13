//! What a page answers when it cannot do what was asked. Insides stay inside: the log has them.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::store::StoreError;

/// Why. It travels in the response's extensions; the guard makes a page of it in the reader's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request makes no sense.
    BadRequest,
    /// Nobody is signed in.
    SignIn,
    /// Not for this role.
    Forbidden,
    /// Not from a page of this console.
    Forged,
    /// There is no such thing.
    NotFound,
    /// Somebody else was quicker.
    Conflict,
    /// The database does not answer.
    Unavailable,
    /// RabbitMQ does not answer, or this console has none.
    Broker,
}

impl Fault {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::SignIn => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::Forged => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Unavailable | Self::Broker => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        crate::telemetry::events::ConsoleFailed { error: &error.to_string() }.emit();
        Self::Unavailable
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
