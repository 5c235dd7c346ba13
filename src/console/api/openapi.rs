//! The OpenAPI 3.1 document, made from the table of routes and from the types that are read and written.

use axum::http::Method;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::calls::QueueFilter;
use super::erasure::{ErasureAsked, ErasureList, ErasureView};
use super::maps::{ChurnView, MapFilter, MapView};
use super::model::{
    AssignRequest, CommentRequest, Conversation, CorrectionAnswer, CorrectionRequest, QueuePage,
};
use super::operations::{OperationsView, ParkedAnswer, ParkedList, ParkedMessage, ParkedRequest};
use super::problem;
use super::{Call, ROUTES, Route};
use crate::journey::map::Timeline;

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        "/components/schemas".clone_into(settings.definitions_path.to_mut());
    });
    let mut types = settings.into_generator();
    let problem = types.subschema_for::<problem::Document>();
    let mut paths = Map::new();
    for route in ROUTES {
        let operation = operation(route, &mut types);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "smista console",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The review queue and what can be done with its conversations. Times are RFC 3339, texts are redacted.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") }
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": types.take_definitions(true),
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "From `smista console token add`. The scope that a call needs is its `x-scope`."
            } },
            "responses": { "problem": {
                "description": "It was not done; `code` and `detail` say why (RFC 9457).",
                "content": { "application/problem+json": { "schema": problem } }
            } }
        }
    })
}

/// What differs from call to call: name, summary, body asked for, status and body of the answer.
struct Told {
    id: &'static str,
    summary: &'static str,
    asks: Option<Value>,
    answers: (&'static str, Option<Value>),
}

fn told(call: Call, types: &mut SchemaGenerator) -> Told {
    macro_rules! schema {
        ($kind:ty) => {
            Some(types.subschema_for::<$kind>().to_value())
        };
    }
    let done = ("204", None);
    match call {
        Call::Queue => Told {
            id: "queue",
            summary: "A page of the conversations that are flagged or escalated.",
            asks: None,
            answers: ("200", schema!(QueuePage)),
        },
        Call::Conversation => Told {
            id: "conversation",
            summary: "A conversation with its decisions, notes and corrections. The access log keeps that it was read.",
            asks: None,
            answers: ("200", schema!(Conversation)),
        },
        Call::Correct => Told {
            id: "correct",
            summary: "Confirm the decision of a message, or correct it: a superseding decision and an event are published.",
            asks: schema!(CorrectionRequest),
            answers: ("201", schema!(CorrectionAnswer)),
        },
        Call::Assign => Told {
            id: "assign",
            summary: "Give the conversation to an account.",
            asks: schema!(AssignRequest),
            answers: done,
        },
        Call::Resolve => Told { id: "resolve", summary: "Nothing is left to do.", asks: None, answers: done },
        Call::Reopen => {
            Told { id: "reopen", summary: "There is something to do after all.", asks: None, answers: done }
        }
        Call::Comment => {
            Told { id: "comment", summary: "Add a comment.", asks: schema!(CommentRequest), answers: done }
        }
        Call::Map => Told {
            id: "map",
            summary: "The journey map: stage by channel, what there is and how it goes.",
            asks: None,
            answers: ("200", schema!(MapView)),
        },
        Call::Timeline => Told {
            id: "timeline",
            summary: "The timeline of the conversation's customer, the latest 200 messages. The access log keeps that it was read.",
            asks: None,
            answers: ("200", schema!(Timeline)),
        },
        Call::Churn => Told {
            id: "churn",
            summary: "Customers who may leave, the likeliest first, with the reasons.",
            asks: None,
            answers: ("200", schema!(ChurnView)),
        },
        Call::AskErasure => Told {
            id: "askErasure",
            summary: "Ask for the erasure of the conversation's customer. An operator does it with `smista erase`; what was asked for before stays as it is.",
            asks: schema!(ErasureAsked),
            answers: ("201", schema!(ErasureView)),
        },
        Call::Erasures => Told {
            id: "erasures",
            summary: "Customers to be erased, the oldest request first, at most 500.",
            asks: None,
            answers: ("200", schema!(ErasureList)),
        },
        Call::Operations => Told {
            id: "operations",
            summary: "How the workers do: decisions by minute, workers, queues.",
            asks: None,
            answers: ("200", schema!(OperationsView)),
        },
        Call::ParkedList => Told {
            id: "parkedList",
            summary: "The oldest parked messages, without their text.",
            asks: None,
            answers: ("200", schema!(ParkedList)),
        },
        Call::Parked => Told {
            id: "parked",
            summary: "A parked message, redacted. The log of operators keeps that it was read.",
            asks: None,
            answers: ("200", schema!(ParkedMessage)),
        },
        Call::Replay => Told {
            id: "replay",
            summary: "Send parked messages to the workers again.",
            asks: schema!(ParkedRequest),
            answers: ("200", schema!(ParkedAnswer)),
        },
        Call::Discard => Told {
            id: "discard",
            summary: "Remove parked messages for good.",
            asks: schema!(ParkedRequest),
            answers: ("200", schema!(ParkedAnswer)),
        },
    }
}

fn operation(route: &Route, types: &mut SchemaGenerator) -> Value {
    let Told { id, summary, asks, answers: (status, answer) } = told(route.call, types);
    let mut parameters = Vec::new();
    if route.path.contains("{id}") {
        let what = "The id, percent-encoded.";
        parameters.push(json!({ "name": "id", "in": "path", "required": true, "description": what, "schema": { "type": "string" } }));
    }
    match route.call {
        Call::Queue => parameters.extend(query_parameters(&schemars::schema_for!(QueueFilter).to_value())),
        Call::Map => parameters.extend(query_parameters(&schemars::schema_for!(MapFilter).to_value())),
        _ => {}
    }
    let mut response = json!({ "description": "Done." });
    if let (Some(schema), Some(response)) = (answer, response.as_object_mut()) {
        response.insert("content".to_owned(), json!({ "application/json": { "schema": schema } }));
    }
    let mut operation = json!({
        "operationId": id,
        "summary": summary,
        "x-scope": route.scope.as_str(),
        "parameters": parameters,
        "responses": { status: response, "default": { "$ref": "#/components/responses/problem" } }
    });
    if let (Some(schema), Some(operation)) = (asks, operation.as_object_mut()) {
        debug_assert_eq!(route.method, Method::POST);
        let body = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
        operation.insert("requestBody".to_owned(), body);
    }
    operation
}

/// The fields of the filter, each a parameter.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let fields = schema["properties"].as_object().cloned().unwrap_or_default();
    fields
        .into_iter()
        .map(|(name, mut field)| {
            let description = field["description"].take();
            if let Some(field) = field.as_object_mut() {
                for key in ["description", "default"] {
                    field.remove(key);
                }
            }
            json!({ "name": name, "in": "query", "description": description, "schema": field })
        })
        .collect()
}
