//! The OpenAPI 3.1 document of the intake.

use serde_json::{Value, json};

use super::intake::{MAX_LINES, MAX_REQUEST, PATH};
use crate::interaction;

/// The document.
pub fn document() -> Value {
    let problem = |description: &str| {
        json!({
            "description": description,
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
        })
    };
    let accepted = json!({
        "description": "The broker has it, and it survives a crash of the broker. Deciding comes later.",
        "content": { "application/json": { "schema": { "oneOf": [
            { "$ref": "#/components/schemas/Accepted" }, { "$ref": "#/components/schemas/Batch" }
        ] } } }
    });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "smista intake",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Interactions for those without AMQP. The same message_id counts once, however often it is sent.",
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") }
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": { PATH: { "post": {
            "operationId": "sendInteractions",
            "summary": "Send one interaction, or one a line.",
            "parameters": [{
                "name": "Idempotency-Key", "in": "header", "required": false, "schema": { "type": "string", "maxLength": 200 },
                "description": "Becomes the message_id of a single interaction that has none."
            }],
            "requestBody": {
                "required": true,
                "description": format!("At most {MAX_REQUEST} bytes and {MAX_LINES} lines."),
                "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/Interaction" } },
                    "application/x-ndjson": { "schema": { "type": "string", "description": "An interaction a line." } }
                }
            },
            "responses": {
                "202": accepted,
                "400": problem("It is not JSON."),
                "401": problem("The token is missing or not known."),
                "403": problem("The token has not the scope send."),
                "413": problem("It is too large."),
                "415": problem("It is neither JSON nor lines of JSON."),
                "422": problem("It is no interaction; `code` and `detail` name the field. Sending it again does not help."),
                "503": problem("It was not confirmed. Send it again after `Retry-After` seconds; a batch answers with its lines.")
            }
        } } },
        "components": {
            "schemas": {
                "Interaction": interaction::schema(),
                "Accepted": {
                    "type": "object", "required": ["status", "message_id", "conversation_id"],
                    "properties": {
                        "status": { "const": "accepted" },
                        "message_id": { "type": "string" }, "conversation_id": { "type": "string" }
                    }
                },
                "Batch": {
                    "type": "object", "required": ["accepted", "refused", "not_confirmed"],
                    "properties": {
                        "accepted": { "type": "integer", "description": "Interactions that the broker has." },
                        "refused": { "type": "array", "description": "What is no interaction.", "items": {
                            "type": "object", "required": ["line", "code", "detail"],
                            "properties": { "line": { "type": "integer" }, "code": { "type": "string" }, "detail": { "type": "string" } }
                        } },
                        "not_confirmed": { "type": "array", "items": { "type": "integer" }, "description": "Lines to send again." }
                    }
                },
                "Problem": {
                    "type": "object", "required": ["title", "status", "detail", "code"],
                    "properties": {
                        "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
                        "detail": { "type": "string" }, "code": { "type": "string" }
                    }
                }
            },
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer", "description": "From `smista console token add NAME --scope send`."
            } }
        }
    })
}
