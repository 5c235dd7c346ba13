use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const EXAMPLE: &str = r#"{
  "schema": "smista.interaction.v1",
  "message_id": "01JQ8Z3M5T9W2K",
  "conversation_id": "k8",
  "customer_id": "c-1001",
  "identities": ["mailto:r.ellery@example.org"],
  "channel": "chat",
  "author": "customer",
  "sent_at": "2026-05-14T18:45:00Z",
  "text": "I wrote to you on Monday and called on Tuesday about the thermostat that keeps losing its schedule. Do I have to tell the whole story again? Fix it by tomorrow or take it back.",
  "attributes": {"tier": "gold", "touchpoint": "in-app"}
}"#;

fn received() -> DateTime<Utc> {
    "2026-05-14T18:46:00Z".parse().unwrap()
}

fn queue(body: &[u8]) -> Result<Interaction, WireError> {
    parse(body, &ParseContext { received_at: received(), identity_key: b"key", mode: Mode::Queue })
}

fn fill(body: &Value) -> Result<Interaction, WireError> {
    let fallback = Fallback { message_id: "line-1", conversation_id: "line-1", channel: None };
    let context = ParseContext { received_at: received(), identity_key: b"key", mode: Mode::Fill(fallback) };
    parse(body.to_string().as_bytes(), &context)
}

/// The example with one field set; null takes it away.
fn with(field: &str, value: Value) -> Result<Interaction, WireError> {
    let mut body: Value = serde_json::from_str(EXAMPLE).unwrap();
    body[field] = value;
    queue(body.to_string().as_bytes())
}

/// The example with other content.
fn content(field: &str, value: Value) -> Result<Interaction, WireError> {
    let mut body: Value = serde_json::from_str(EXAMPLE).unwrap();
    body["text"] = Value::Null;
    body[field] = value;
    queue(body.to_string().as_bytes())
}

#[track_caller]
fn refused(got: Result<Interaction, WireError>, class: &str, message: &str) {
    let error = got.unwrap_err();
    assert_eq!(error.class(), class, "{error}");
    assert_eq!(error.to_string(), message);
}

#[test]
fn the_example_as_it_stands() {
    let interaction = queue(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(interaction.message_id, "01JQ8Z3M5T9W2K");
    assert_eq!(interaction.conversation_id, "k8");
    assert_eq!(interaction.customer_id.as_deref(), Some("c-1001"));
    assert_eq!(interaction.identities, [hash_identity("mailto:r.ellery@example.org", b"key").unwrap()]);
    assert_eq!((interaction.channel, interaction.author), (Channel::Chat, Author::Customer));
    assert_eq!(interaction.sent_at.to_rfc3339(), "2026-05-14T18:45:00+00:00");
    assert_eq!(interaction.turns.len(), 1);
    assert!(interaction.document().ends_with("Fix it by tomorrow or take it back."));
    assert_eq!(interaction.attributes["tier"], "gold");
    assert_eq!(interaction.auto_reply, None);
    assert!(interaction.unknown_fields.is_empty());
}

#[test]
fn bytes_that_are_no_message() {
    refused(
        queue(&vec![b' '; 2 * 1024 * 1024]),
        "too_large",
        "the message has 2097152 bytes, the limit is 1048576; send it in pieces or leave attachments out",
    );
    refused(queue(b"{\"a\":\"\xff\"}"), "not_utf8", "byte 6 is not UTF-8; encode the message as UTF-8");
    refused(queue(b""), "not_json", "not JSON (it ends too early at line 1, column 0); send one JSON object");
    refused(
        queue(b"{\"text\":x}"),
        "not_json",
        "not JSON (a syntax error at line 1, column 9); send one JSON object",
    );
    refused(
        queue(b"{} {}"),
        "not_json",
        "not JSON (a syntax error at line 1, column 4); send one JSON object",
    );
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    refused(queue(deep.as_bytes()), "too_deep", "the JSON is nested deeper than 32 levels; flatten it");
    refused(
        queue("[".repeat(1_000_000).as_bytes()),
        "too_deep",
        "the JSON is nested deeper than 32 levels; flatten it",
    );
    refused(queue(b"[1]"), "not_an_object", "found an array at the top; send one JSON object");
    refused(
        queue(br#"{"schema":"smista.interaction.v1","schema":"smista.interaction.v1"}"#),
        "duplicate_field",
        "the field `schema` is given twice in one object; give it once",
    );
    assert!(queue(format!("\u{FEFF}{EXAMPLE}").as_bytes()).is_ok());
    let brackets = json!("[".repeat(100));
    assert!(with("text", brackets).is_ok());
}

#[test]
fn fields_that_are_missing() {
    refused(
        with("schema", Value::Null),
        "missing_field",
        "`schema` is missing; give \"smista.interaction.v1\"",
    );
    refused(
        with("schema", json!("smista.interaction.v2")),
        "wrong_schema",
        "`schema` is `smista.interaction.v2`; this version reads `smista.interaction.v1`",
    );
    for field in ["message_id", "conversation_id", "channel"] {
        assert_eq!(with(field, Value::Null).unwrap_err().class(), "missing_field", "{field}");
    }
    refused(
        with("text", Value::Null),
        "no_content",
        "none of `text`, `turns` and `mime` is given; give exactly one",
    );
    refused(
        with("turns", json!([{"speaker": "customer", "text": "a"}])),
        "several_contents",
        "text and turns are given together; give exactly one of `text`, `turns` and `mime`",
    );
    refused(
        content("turns", json!([{"speaker": "agent"}])),
        "missing_field",
        "`turns[0].text` is missing; give what was said",
    );
    refused(
        with("attachments", json!([{"bytes": 3}])),
        "missing_field",
        "`attachments[0].name` is missing; give the file's name or its url",
    );
}

#[test]
fn what_may_be_missing_when_filled_in() {
    let interaction = fill(&json!({"channel": "sms", "text": "hello"})).unwrap();
    assert_eq!(interaction.message_id, "line-1");
    assert_eq!(interaction.sent_at, received());
    assert_eq!(fill(&json!({"text": "hello"})).unwrap_err().class(), "missing_field");
    assert_eq!(
        fill(&json!({"schema": "x", "channel": "sms", "text": "hello"})).unwrap_err().class(),
        "wrong_schema"
    );
    assert_eq!(sample(Channel::Review, "bello").unwrap().channel, Channel::Review);
    assert_eq!(sample(Channel::Chat, " \u{200B} ").unwrap_err().class(), "empty_text");
}

#[test]
fn wrong_types() {
    refused(with("text", json!(7)), "wrong_type", "`text` is a number; give a string");
    for (field, value) in [
        ("message_id", json!(1)),
        ("customer_id", json!(["a"])),
        ("identities", json!("mailto:a@b.it")),
        ("identities", json!([1])),
        ("attributes", json!([])),
        ("attributes", json!({"n": 1})),
        ("attachments", json!(["a.pdf"])),
        ("nps", json!("9")),
        ("sent_at", json!(1_700_000_000)),
        ("subject", json!({})),
    ] {
        assert_eq!(with(field, value.clone()).unwrap_err().class(), "wrong_type", "{field} {value}");
    }
    assert_eq!(content("turns", json!({})).unwrap_err().class(), "wrong_type");
    assert_eq!(content("turns", json!(["a"])).unwrap_err().class(), "wrong_type");
}

#[test]
fn values_that_mean_nothing() {
    refused(
        with("channel", json!("fax")),
        "bad_value",
        "`channel` is `fax`, which is unknown; give one of chat, email, call, sms, messaging, social, review, survey",
    );
    for (field, value) in [
        ("channel", json!("Chat")),
        ("author", json!("nobody")),
        ("message_id", json!("")),
        ("message_id", json!("a\u{0}b")),
        ("conversation_id", json!("a\u{202E}b")),
        ("sent_at", json!("yesterday")),
        ("sent_at", json!("2026-05-14")),
        ("sent_at", json!("1970-01-01T00:00:00Z")),
        ("sent_at", json!("2126-05-14T00:00:00Z")),
        ("language", json!("italiano!")),
        ("nps", json!(11)),
        ("nps", json!(-1)),
        ("nps", json!(7.5)),
        ("csat", json!(0)),
        ("ces", json!(8)),
        ("rating", json!(6)),
        ("identities", json!(["r.ellery@example.org"])),
        ("attributes", json!({"": "a"})),
        ("attributes", json!({"x@example.org": "a"})),
        ("attachments", json!([{"url": "javascript:alert(1)"}])),
        ("attachments", json!([{"name": "a", "bytes": -1}])),
        ("mime", json!("AAAA")),
    ] {
        let got = if field == "mime" { content(field, value.clone()) } else { with(field, value.clone()) };
        assert_eq!(got.unwrap_err().class(), "bad_value", "{field} {value}");
    }
    for turn in [
        json!({"speaker": "nobody", "text": "a"}),
        json!({"speaker": "agent", "text": "a", "start_ms": 5, "end_ms": 4}),
        json!({"speaker": "agent", "text": "a", "start_ms": 1.5}),
        json!({"speaker": "agent", "text": "a", "confidence": 1.1}),
    ] {
        assert_eq!(content("turns", json!([turn])).unwrap_err().class(), "bad_value");
    }
}

#[test]
fn caps() {
    refused(
        with("message_id", json!("x".repeat(201))),
        "too_long",
        "`message_id` has 201 bytes, the limit is 200; shorten it",
    );
    refused(
        with("identities", json!(vec!["tel:+39061234567"; 21])),
        "too_many",
        "`identities` has 21 entries, the limit is 20; send fewer",
    );
    refused(
        content("turns", json!(vec![json!({"speaker": "agent", "text": "a"}); 2001])),
        "too_many_turns",
        "`turns` has 2001 turns, the limit is 2000; send the conversation in pieces",
    );
    let many: serde_json::Map<String, Value> = (0..65).map(|n| (format!("a{n}"), json!("v"))).collect();
    assert_eq!(with("attributes", Value::Object(many)).unwrap_err().class(), "too_many");
    assert_eq!(with("attributes", json!({"a": "v".repeat(1025)})).unwrap_err().class(), "too_long");
    assert!(with("text", json!("word ".repeat(100_000))).is_ok());
}

#[test]
fn nothing_said() {
    refused(
        with("text", json!(" \n\u{200B}")),
        "empty_text",
        "`text` holds no words; send only messages in which somebody says something",
    );
    assert_eq!(content("turns", json!([])).unwrap_err().class(), "empty_text");
    assert_eq!(
        content("turns", json!([{"speaker": "customer", "text": "  "}])).unwrap_err().class(),
        "empty_text"
    );
    let survey = json!({"channel": "survey", "text": "", "nps": 2});
    let answer = fill(&survey).unwrap();
    assert_eq!((answer.turns.len(), answer.document().as_str(), answer.ratings.nps), (1, "", Some(2)));
    assert_eq!(fill(&json!({"channel": "chat", "text": "", "nps": 2})).unwrap_err().class(), "empty_text");
}

#[test]
fn mail_errors_and_mail() {
    let mime = |mime: &str| fill(&json!({"mime": mime}));
    refused(mime("%%"), "bad_mime", "`mime` is not base64; give an RFC 5322 message in base64");
    // "From: a@example.org", "Subject: Frigo 333 1234567", one line of body.
    let sent =
        mime("RnJvbTogYUBleGFtcGxlLm9yZw0KU3ViamVjdDogRnJpZ28gMzMzIDEyMzQ1NjcNCg0KbyByb3R0bw==").unwrap();
    assert_eq!(sent.channel, Channel::Email);
    assert_eq!(sent.subject.as_ref().map(CleanText::as_str), Some("Frigo [PHONE]"));
    assert_eq!(sent.document(), "Frigo [PHONE]\no rotto");
    assert!(sent.identities.is_empty());
    let only_subject = mime("RnJvbTogYUBleGFtcGxlLm9yZw0KU3ViamVjdDogQ2FuY2VsIG15IG9yZGVyDQoNCg==").unwrap();
    assert_eq!(only_subject.document(), "Cancel my order");
    assert_eq!(mime("RnJvbTogYUBleGFtcGxlLm9yZw0KDQo=").unwrap_err().class(), "empty_text");
}

#[test]
fn unknown_fields_are_listed_by_name() {
    let mut body: Value = serde_json::from_str(EXAMPLE).unwrap();
    body["colour"] = json!("red");
    body["text"] = Value::Null;
    body["turns"] = json!([{"speaker": "customer", "text": "a", "mood": 1}, {"speaker": "agent", "text": "b", "mood": 2}]);
    let interaction = queue(body.to_string().as_bytes()).unwrap();
    assert_eq!(interaction.unknown_fields, ["turns[].mood", "colour"]);
}

#[test]
fn calls_keep_their_turns() {
    let interaction = content(
        "turns",
        json!([
            {"speaker": "operatore", "text": "Pronto", "start_ms": 0, "end_ms": 900, "confidence": 0.9},
            {"speaker": "Cliente", "text": "Ehm, il mio pin è 4821"},
            {"speaker": "customer", "text": " "}
        ]),
    )
    .unwrap();
    let said: Vec<_> = interaction.turns.iter().map(|turn| (turn.speaker, turn.text.as_str())).collect();
    assert_eq!(said, [(Author::Agent, "Pronto"), (Author::Customer, "Ehm, il mio pin è [SECRET]")]);
    assert_eq!(interaction.turns[0].end_ms, Some(900));
    assert_eq!(interaction.document(), "Ehm, il mio pin è [SECRET]");
}

#[test]
fn everything_that_leaves_is_redacted() {
    let mut body: Value = serde_json::from_str(EXAMPLE).unwrap();
    body["text"] = json!("card 4111\u{200B}111111111111, x@example.org");
    body["subject"] = json!("call 333 1234567");
    body["attributes"] = json!({"email": "x@example.org", "pin": "4821", "order_id": "3401234567"});
    body["attachments"] =
        json!([{"name": "4111 1111 1111 1111.pdf", "url": "https://f.example/a?m=x@example.org"}]);
    let interaction = queue(body.to_string().as_bytes()).unwrap();
    let out = serde_json::to_string(&interaction).unwrap();
    for secret in ["4111", "x@example.org", "333 1234567", "4821", "r.ellery"] {
        assert!(!out.contains(secret), "{secret} in {out}");
    }
    assert!(out.contains("3401234567") && out.contains("card [CARD], [EMAIL]"), "{out}");
}

#[test]
fn errors_do_not_repeat_the_text() {
    for error in [
        with("text", json!({"x": "my secret words"})).unwrap_err(),
        with("sent_at", json!("my secret words")).unwrap_err(),
        with("nps", json!("my secret words")).unwrap_err(),
        with("channel", json!("write to x@example.org")).unwrap_err(),
        queue(br#"{"text": "my secret words" "#).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(!message.contains("secret words") && !message.contains("x@example.org"), "{message}");
    }
}

#[test]
fn the_schema_names_what_is_read() {
    let schema = schema();
    let mut required: Vec<&str> =
        schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    required.sort_unstable();
    assert_eq!(required, ["channel", "conversation_id", "message_id", "schema"]);
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA);
    assert_eq!(schema["oneOf"].as_array().unwrap().len(), 3);
    // Every property is read: none of them ends among the unknown fields.
    let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 19);
    for name in names {
        let mut body = json!({"channel": "chat", "text": "hello"});
        if !["turns", "mime"].contains(&name.as_str()) && body.get(name).is_none() {
            body[name] = match name.as_str() {
                "identities" | "attachments" => json!([]),
                "attributes" => json!({}),
                "nps" | "csat" | "ces" | "rating" => json!(3),
                "sent_at" => json!("2026-05-14T18:45:00Z"),
                "schema" => json!(SCHEMA),
                "author" => json!("agent"),
                _ => json!("it"),
            };
        }
        assert!(fill(&body).unwrap().unknown_fields.is_empty(), "{name}");
    }
    let wire: WireInteraction = serde_json::from_str(EXAMPLE).unwrap();
    assert!(queue(serde_json::to_string(&wire).unwrap().as_bytes()).is_ok());
}

/// JSON of any shape.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(vec![
            "customer",
            "chat",
            "email",
            "2026-05-14T18:45:00Z",
            "mailto:a@b.it",
            "RnJvbTogYQ==",
            "<p>",
            "4111 1111 1111 1111"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(
                "speaker|text|name|url|bytes|start_ms|end_ms|confidence|[a-z]{1,5}",
                inner,
                0..6
            )
            .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(queue(&body).is_err());
    }

    #[test]
    fn a_changed_byte_is_read_or_refused(at in 0..EXAMPLE.len(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = EXAMPLE.as_bytes().to_vec();
        body[at] = byte;
        if cut {
            body.truncate(at);
        }
        let _ = queue(&body);
    }

    #[test]
    fn any_value_is_read_or_refused(
        field in prop::sample::select(vec![
            "schema", "message_id", "conversation_id", "customer_id", "identities", "channel", "author", "sent_at", "language",
            "text", "turns", "mime", "subject", "nps", "csat", "ces", "rating", "attributes", "attachments", "other",
        ]),
        value in any_json(),
        bare in any::<bool>(),
    ) {
        let got = if bare { content(field, value) } else { with(field, value) };
        if let Err(error) = got {
            prop_assert!(!error.class().is_empty() && error.to_string().len() < 400);
        }
    }

    #[test]
    fn any_text_of_any_channel_stays_clean(index in 0..Channel::ALL.len(), text in "\\PC{0,120}|([a-z@.>#*<]| |\n|4111 1111 1111 1111|On 1 May x@y.it wrote:){0,20}") {
        if let Ok(interaction) = sample(Channel::ALL[index], &text) {
            let document = interaction.document();
            prop_assert_eq!(redact(&document), document);
        }
    }
}
