//! What is fuzzed and what must hold of it. The fuzz targets and the test that replays the corpus call the same
//! functions: what a run finds becomes a test by adding its input to the corpus.

use base64::Engine as _;
use lapin::BasicProperties;
use lapin::types::FieldTable;
use lapin::types::parsing::parse_field_table;
use smista::broker::amqp::{earlier_deliveries, park};
use smista::broker::parked;
use smista::interaction::{self, Channel, CleanText, Fallback, Interaction, Mode, ParseContext, WireError};
use smista::routing::{Facts, Policy};

/// A message as it lies on the queue.
pub fn envelope(data: &[u8]) {
    let named = parked::id_of(None, data);
    assert_eq!(parked::id_of(None, data), named);
    let context =
        ParseContext { received_at: chrono::DateTime::UNIX_EPOCH, identity_key: b"fuzz", mode: Mode::Queue };
    match interaction::parse(data, &context) {
        Ok(parsed) => {
            // What is parked under an id must be found under the id that a decision would have had.
            assert_eq!(parsed.message_id, named);
            keeps_to_its_form(&parsed);
        }
        Err(error) => said_plainly(&error),
    }
}

/// An e-mail, which comes as base64 inside the envelope.
pub fn mime(data: &[u8]) {
    let mime = base64::engine::general_purpose::STANDARD.encode(data);
    match filled(&serde_json::json!({ "mime": mime }), Channel::Email) {
        Ok(parsed) => keeps_to_its_form(&parsed),
        Err(error) => said_plainly(&error),
    }
}

/// A text of any channel: the first byte chooses which.
pub fn normalise_redact(data: &[u8]) {
    const CHANNELS: [Channel; 8] = [
        Channel::Chat,
        Channel::Email,
        Channel::Call,
        Channel::Sms,
        Channel::Messaging,
        Channel::Social,
        Channel::Review,
        Channel::Survey,
    ];
    let Some((first, text)) = data.split_first() else { return };
    let channel = CHANNELS[usize::from(*first) % CHANNELS.len()];
    let text = String::from_utf8_lossy(text);
    match filled(&serde_json::json!({ "text": text }), channel) {
        Ok(parsed) => keeps_to_its_form(&parsed),
        Err(error) => said_plainly(&error),
    }
}

/// A policy file; one that is taken must decide.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Policy::from_text(text, "fuzz.toml") {
        Ok(policy) => {
            assert_eq!(policy.decide(&Facts::default()), policy.decide(&Facts::default()));
            assert!(policy.rules().all(|(name, _)| !name.is_empty()));
        }
        Err(error) => {
            let lines = text.lines().count().max(1);
            assert!(!error.faults.is_empty(), "refused without a reason");
            for fault in &error.faults {
                assert!((1..=lines + 1).contains(&fault.line), "{} lines: {fault:?}", lines);
            }
        }
    }
}

/// The header table of a delivery and of a parked message, in its form on the wire.
pub fn amqp_headers(data: &[u8]) {
    let Ok((body, headers)) = parse_field_table(data) else { return };
    let _ = earlier_deliveries(&headers);
    let properties = BasicProperties::default()
        .with_headers(headers)
        .with_timestamp(data.len() as u64)
        .with_message_id(data.iter().take(3).map(|byte| char::from(byte % 128)).collect::<String>().into());
    let entry = park::Entry::read(&properties, "key", body);
    assert!(!entry.id.is_empty() && entry.bytes == body.len());
    serde_json::to_string(&entry).unwrap();
    let replayed = park::original_properties(&properties);
    let added = |table: &FieldTable| table.inner().keys().any(|name| name.as_str().starts_with("x-smista-"));
    assert!(!replayed.headers().as_ref().is_some_and(added));
    let again = park::original_properties(&replayed);
    // By their form: not every number equals itself.
    assert_eq!(format!("{:?}", again.headers()), format!("{:?}", replayed.headers()));
}

/// A file of another system in every format that reads it as a whole, and as the lines of a mailbox and of a table.
pub fn import(data: &[u8]) {
    use smista::interaction::import::{self, Found, ImportError, Settings};
    let settings = Settings { channel: Some(Channel::Chat), ..Settings::default() };
    let told = |error: &ImportError| {
        let text = error.to_string();
        assert!(!error.class().is_empty() && !text.is_empty() && text.len() < 4096, "{text:?}");
        assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
    };
    let made = |wire: &interaction::WireInteraction| {
        assert!(!wire.message_id.is_empty() && !wire.conversation_id.is_empty());
        let context = ParseContext {
            received_at: chrono::DateTime::UNIX_EPOCH,
            identity_key: b"fuzz",
            mode: Mode::Queue,
        };
        match interaction::parse(&serde_json::to_vec(wire).unwrap(), &context) {
            Ok(parsed) => keeps_to_its_form(&parsed),
            Err(error) => said_plainly(&error),
        }
    };
    let whole = import::Whole { stem: Some("call"), bytes: data };
    match import::subtitles(&whole, &settings) {
        Ok(found) => found.parts.iter().for_each(made),
        Err(error) => told(&error),
    }
    use import::Format::{Chatwoot, ContactLens, Interactions, Json, Transcribe, Whisper};
    for format in [Json, Whisper, Transcribe, ContactLens, Chatwoot, Interactions] {
        for entry in import::json(&whole, format, &settings).entries {
            match &entry.found {
                Ok(Found::Interaction(wire)) => made(wire),
                Ok(Found::LeftOut(why)) => assert!(!why.is_empty()),
                Err(error) => told(error),
            }
        }
    }
    let mut threads = import::Threads::default();
    let mut splitter = import::MboxSplitter::new(64 * 1024);
    let mut mail = |message: Option<import::MboxMessage>| {
        let Some(message) = message else { return };
        match import::mail(&message.raw.unwrap_or_default(), message.received, &settings, &mut threads) {
            Ok(wire) => made(&wire),
            Err(error) => told(&error),
        }
    };
    for line in data.split(|byte| *byte == b'\n') {
        mail(splitter.push(Some(line)));
    }
    mail(splitter.end());
    let text = String::from_utf8_lossy(data);
    let delimiter = char::from(import::delimiter(text.lines().next().unwrap_or_default().as_bytes()));
    let mut lines = text.lines().map(|line| line.split(delimiter).collect::<Vec<_>>());
    match import::Table::of(&lines.next().unwrap_or_default(), &settings) {
        Ok(mut table) => lines.for_each(|cells| match table.row(&cells) {
            Ok(Found::Interaction(wire)) => made(&wire),
            Ok(Found::LeftOut(why)) => assert!(!why.is_empty()),
            Err(error) => told(&error),
        }),
        Err(error) => told(&error),
    }
}

fn filled(content: &serde_json::Value, channel: Channel) -> Result<Interaction, WireError> {
    let fallback = Fallback { message_id: "m", conversation_id: "k", channel: Some(channel) };
    let context = ParseContext {
        received_at: chrono::DateTime::UNIX_EPOCH,
        identity_key: b"fuzz",
        mode: Mode::Fill(fallback),
    };
    interaction::parse(content.to_string().as_bytes(), &context)
}

/// What leaves the room is in its one form and has nothing left to redact.
fn keeps_to_its_form(parsed: &Interaction) {
    assert!(!parsed.turns.is_empty());
    assert!(!parsed.routing_key().is_empty());
    let texts = parsed.turns.iter().map(|turn| &turn.text).chain(&parsed.subject);
    for text in texts.map(CleanText::as_str) {
        let unseen = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(unseen, None, "in {text:?}");
        assert_eq!(interaction::redact(text), text, "redacting again changes something");
    }
    let stored = serde_json::to_string(parsed).unwrap();
    let read: Interaction = serde_json::from_str(&stored).unwrap();
    // Told when it comes, not stored.
    assert_eq!(read, Interaction { unknown_fields: Vec::new(), ..parsed.clone() });
}

/// An error has a class and a short text, fit for a header.
fn said_plainly(error: &WireError) {
    let text = error.to_string();
    assert!(!error.class().is_empty() && !text.is_empty());
    assert!(text.len() < 4096 && !text.contains(|c: char| c.is_control()), "{text:?}");
}
