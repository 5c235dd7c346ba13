//! The AsyncAPI 3.0 document: the exchanges of the topology with the messages that pass them.

use serde_json::{Map, Value, json};

use crate::broker::topology::{Exchange, Topology};
use crate::interaction;
use crate::journey::Change;
use crate::routing;
use crate::routing::correction::CorrectedEvent;
use crate::store::{CorrectionMessage, Destination};

/// A channel of the document.
struct Channel<'a> {
    key: &'static str,
    exchange: String,
    /// `None`: the exchange does not look at it.
    routing_key: Option<&'static str>,
    message: &'static str,
    /// What this program does there.
    action: &'static str,
    summary: &'a str,
}

/// The document for this topology.
pub fn document(topology: &Topology) -> Value {
    let channels = [
        Channel {
            key: "interactions",
            exchange: topology.interactions(),
            routing_key: Some("the customer"),
            message: "interaction",
            action: "receive",
            summary: "Customer messages. Use the customer's id as routing key: messages of one key take effect in order.",
        },
        Channel {
            key: "decisions",
            exchange: topology.exchange_of(Destination::Decisions),
            routing_key: Some("<priority>.<queue>.<channel>"),
            message: "decision",
            action: "send",
            summary: "One decision for each message; a redelivery carries the same decision_id.",
        },
        Channel {
            key: "events",
            exchange: topology.exchange_of(Destination::Events),
            routing_key: Some("<event>.<channel>"),
            message: "event",
            action: "send",
            summary: "Changes of a customer's journey, and events that policy rules name.",
        },
        Channel {
            key: "corrections",
            exchange: topology.exchange_of(Destination::Corrections),
            routing_key: Some("<priority>.<queue>.<channel>"),
            message: "correction",
            action: "send",
            summary: "What supervisors confirmed or corrected; a correction also makes a superseding decision and an event.",
        },
        Channel {
            key: "parked",
            exchange: topology.exchange_of(Destination::Parked),
            routing_key: None,
            message: "parked",
            action: "send",
            summary: "Messages that could not be decided, byte for byte, with the reason in their headers.",
        },
    ];
    let exchange = |name: &str| topology.exchanges.iter().find(|exchange| exchange.name == name);
    let by_key = |make: &dyn Fn(&Channel<'_>) -> Value| -> Map<String, Value> {
        channels.iter().map(|channel| (channel.key.to_owned(), make(channel))).collect()
    };
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "smista",
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "license": { "name": env!("CARGO_PKG_LICENSE") }
        },
        "defaultContentType": "application/json",
        "servers": {
            "rabbitmq": { "host": "{host}", "protocol": "amqp", "protocolVersion": "0.9.1",
                "variables": { "host": { "default": "127.0.0.1:5672" } } }
        },
        "channels": by_key(&|channel| channel_object(channel, exchange(&channel.exchange))),
        "operations": by_key(&operation_object),
        "components": { "messages": messages() }
    })
}

fn channel_object(channel: &Channel<'_>, exchange: Option<&Exchange>) -> Value {
    let kind = exchange.map_or("topic", |exchange| exchange.kind);
    let key = channel.routing_key.map_or(String::new(), |key| format!(" Routing key: {key}."));
    let message = channel.message;
    json!({
        "address": channel.exchange,
        "description": format!("{}{key}", channel.summary),
        "messages": { message: { "$ref": format!("#/components/messages/{message}") } },
        "bindings": { "amqp": {
            "is": "routingKey",
            "exchange": { "name": channel.exchange, "type": kind, "durable": true, "autoDelete": false },
            "bindingVersion": "0.3.0"
        } }
    })
}

fn operation_object(channel: &Channel<'_>) -> Value {
    let key = channel.key;
    let mut amqp = json!({ "ack": true, "bindingVersion": "0.3.0" });
    if channel.action == "send" {
        amqp = json!({ "deliveryMode": 2, "mandatory": true, "bindingVersion": "0.3.0" });
    }
    json!({
        "action": channel.action,
        "channel": { "$ref": format!("#/channels/{key}") },
        "summary": channel.summary,
        "messages": [{ "$ref": format!("#/channels/{key}/messages/{}", channel.message) }],
        "bindings": { "amqp": amqp }
    })
}

fn messages() -> Value {
    let message = |name: &str, title: &str, payload: Value| json!({ "name": name, "title": title, "contentType": "application/json", "payload": schema(payload) });
    let with = |mut message: Value, headers: Value| {
        if let Some(object) = message.as_object_mut() {
            object.insert("headers".to_owned(), headers);
        }
        message
    };
    let sent =
        |name: &str, title: &str, payload: Value| with(message(name, title, payload), cloud_headers(name));
    json!({
        "interaction": message("smista.interaction.v1", "A customer's message", interaction::schema()),
        "decision": sent("smista.decision.v1", "A routing decision", routing::schema().to_value()),
        "event": sent("smista.event.v1", "A change for a customer", event_schema()),
        "correction": sent("smista.correction.v1", "A supervisor's word on a decision", schemars::schema_for!(CorrectionMessage).to_value()),
        "parked": with(message("parked", "A parked message", json!({})), parked_headers())
    })
}

fn cloud_headers(kind: &str) -> Value {
    use crate::broker::cloudevents;

    json!({
        "type": "object",
        "required": [cloudevents::SPECVERSION, cloudevents::ID, cloudevents::SOURCE, cloudevents::TYPE],
        "properties": {
            cloudevents::SPECVERSION: { "const": cloudevents::VERSION, "description": "Version of CloudEvents." },
            cloudevents::ID: { "type": "string", "description": "The message's id, as in the property message_id." },
            cloudevents::SOURCE: { "type": "string", "format": "uri-reference", "description": "/ and the prefix of the exchanges." },
            cloudevents::TYPE: { "const": kind, "description": "The wire form of the body." },
            "traceparent": { "type": "string", "description": "W3C trace context, where the message has one." }
        }
    })
}

fn schema(payload: Value) -> Value {
    json!({ "schemaFormat": "application/schema+json;version=draft-2020-12", "schema": payload })
}

fn event_schema() -> Value {
    let mut change = schemars::schema_for!(Change).to_value();
    let text = |description: &str| json!({ "type": "string", "description": description });
    let id = |description: &str| json!({ "type": "string", "format": "uuid", "description": description });
    let base = json!({
        "type": "object",
        "required": ["schema", "event_id", "decision_id", "message_id", "conversation_id", "customer_id", "at", "event"],
        "properties": {
            "schema": { "const": "smista.event.v1" },
            "event_id": id("The same however often the message is delivered."),
            "decision_id": id("The decision it came with."),
            "message_id": text("The interaction."),
            "conversation_id": text("Its conversation."),
            "customer_id": text("Its customer."),
            "at": { "type": "string", "format": "date-time" },
            "event": text("What happened: a change of the journey, or a name that a policy rule gives.")
        }
    });
    let mut whole = json!({ "title": "smista.event.v1" });
    if let (Some(whole), Some(change)) = (whole.as_object_mut(), change.as_object_mut()) {
        // References inside point to the root of the schema.
        if let Some(definitions) = change.remove("$defs") {
            whole.insert("$defs".to_owned(), definitions);
        }
        change.remove("$schema");
        change.remove("title");
        let policy = json!({ "description": "An event that a policy rule names.", "properties": { "event": { "type": "string" } } });
        let mut corrected = schemars::schema_for!(CorrectedEvent<'_>).to_value();
        if let Some(corrected) = corrected.as_object_mut() {
            corrected.remove("$schema");
            corrected.remove("title");
        }
        whole.insert("allOf".to_owned(), json!([base, { "anyOf": [change, corrected, policy] }]));
    }
    whole
}

fn parked_headers() -> Value {
    use crate::broker::parked;

    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "type": "object",
        "properties": {
            parked::ERROR_CLASS: text("Stable name of the error."),
            parked::ERROR: text("The error in words."),
            parked::ATTEMPT: text("How often it had been delivered."),
            parked::VERSION: text("Version of the program."),
            parked::ORIGIN: text("Queue it came from.")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match value {
                        Value::String(reference) if key == "$ref" => found.push(reference.clone()),
                        other => references(other, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_between_channels_and_messages_leads_somewhere() {
        let config = Config::load(None).unwrap();
        let document = document(&Topology::of(&config.broker));
        for part in ["channels", "operations"] {
            let mut found = Vec::new();
            references(&document[part], &mut found);
            assert!(!found.is_empty());
            for reference in found {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
        }
        assert_eq!(document["channels"]["interactions"]["address"], "smista.interactions");
    }

    #[test]
    fn references_inside_a_payload_lead_into_it() {
        let messages = messages();
        for (name, message) in messages.as_object().unwrap() {
            let payload = &message["payload"]["schema"];
            let mut found = Vec::new();
            references(payload, &mut found);
            for reference in found {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(payload.pointer(pointer).is_some(), "{name}: {reference}");
            }
        }
    }
}
