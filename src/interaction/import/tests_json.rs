use proptest::prelude::*;
use serde_json::{Value, json as value};

use super::*;
use crate::interaction::{Mode, ParseContext, WireTurn, parse};

fn read(wire: &WireInteraction) -> crate::interaction::Interaction {
    let received_at = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
    let context = ParseContext { received_at, identity_key: b"k", mode: Mode::Queue };
    parse(&serde_json::to_vec(wire).unwrap(), &context).unwrap()
}

fn entries(text: &str, stem: &str) -> Entries {
    json(&Whole { stem: Some(stem), bytes: text.as_bytes() }, Format::Json, &Settings::default())
}

/// Its interactions, all of which a worker can read.
fn found(text: &Value, stem: &str) -> Vec<WireInteraction> {
    let wires =
        entries(&text.to_string(), stem).entries.into_iter().filter_map(|entry| match entry.found.unwrap() {
            Found::Interaction(wire) => Some(*wire),
            Found::LeftOut(_) => None,
        });
    wires.inspect(|wire| drop(read(wire))).collect()
}

fn refused(text: &str, class: &str) {
    let entries = entries(text, "x").entries;
    let errors: Vec<&ImportError> = entries.iter().filter_map(|entry| entry.found.as_ref().err()).collect();
    assert_eq!(errors.iter().map(|error| error.class()).collect::<Vec<_>>(), [class], "{text}: {errors:?}");
}

fn said(wire: &WireInteraction) -> Vec<(&str, &str, Option<u64>, Option<u64>)> {
    let turns = wire.turns.as_deref().unwrap_or_default();
    let said = |turn: &'_ WireTurn| (turn.start_ms, turn.end_ms);
    turns.iter().map(|turn| (turn.speaker.as_str(), turn.text.as_str(), said(turn).0, said(turn).1)).collect()
}

#[test]
fn openai_whisper_and_its_relatives() {
    let plain = value!({"text": " The kettle leaks. It is new.", "language": "english", "segments": [
        {"id": 0, "seek": 0, "start": 0.0, "end": 2.5, "text": " The kettle leaks.", "avg_logprob": -0.25, "no_speech_prob": 0.01},
        {"id": 1, "seek": 0, "start": 2.5, "end": 4.04, "text": " It is new.", "avg_logprob": -0.5},
        {"id": 2, "seek": 0, "start": 60.0, "end": 61.0, "text": " Hello?"}
    ]});
    let wires = found(&plain, "call-9");
    assert_eq!(
        said(&wires[0]),
        [
            ("customer", "The kettle leaks. It is new.", Some(0), Some(4_040)),
            ("customer", "Hello?", Some(60_000), Some(61_000))
        ]
    );
    let confidence = wires[0].turns.as_ref().unwrap()[0].confidence.unwrap();
    assert!((confidence - (-0.5_f32).exp()).abs() < 1e-6, "the less sure of the two: {confidence}");
    assert_eq!((wires[0].language.as_deref(), wires[0].conversation_id.as_str()), (Some("en"), "call-9"));
    assert_eq!(entries(&plain.to_string(), "call-9").unattributed, 1);

    let diarised = value!({"language": "it", "word_segments": [], "segments": [
        {"start": 0.1, "end": 2.0, "text": "Servizio clienti, buongiorno.", "speaker": "SPEAKER_01", "words": []},
        {"start": 2.4, "end": 5.0, "text": "Il bollitore perde.", "speaker": "SPEAKER_00"},
        {"start": 5.1, "end": 6.0, "text": "Da ieri."}
    ]});
    let wires = found(&diarised, "x");
    assert_eq!(
        said(&wires[0]),
        [
            ("agent", "Servizio clienti, buongiorno.", Some(100), Some(2_000)),
            ("customer", "Il bollitore perde. Da ieri.", Some(2_400), Some(6_000))
        ]
    );
    assert_eq!(entries(&diarised.to_string(), "x").unattributed, 0);

    let cpp = value!({"systeminfo": "AVX", "params": {"language": "auto"}, "result": {"language": "en"}, "transcription": [
        {"timestamps": {"from": "00:00:00,000", "to": "00:00:02,000"}, "offsets": {"from": 0, "to": 2000}, "text": " Thanks for calling.", "speaker": "0"},
        {"offsets": {"from": 2100, "to": 4000}, "text": " It leaks.", "speaker": "1"}
    ]});
    let wires = found(&cpp, "x");
    assert_eq!(
        said(&wires[0]),
        [
            ("agent", "Thanks for calling.", Some(0), Some(2_000)),
            ("customer", "It leaks.", Some(2_100), Some(4_000))
        ]
    );
    assert_eq!(wires[0].language.as_deref(), Some("en"));

    // The list that people dump of faster-whisper, and the plainest answer of the interface.
    assert_eq!(
        said(&found(&value!([{"start": 1, "end": 2, "text": "Hi"}]), "x")[0]),
        [("customer", "Hi", Some(1_000), Some(2_000))]
    );
    let bare = Whole { stem: None, bytes: br#"{"text": "It leaks"}"# };
    assert_eq!(json(&bare, Format::Whisper, &Settings::default()).entries.len(), 1);
    refused(r#"{"segments": [{"start": 0}]}"#, "bad_item");
    refused(r#"{"segments": []}"#, "empty_text");
    refused(
        r#"{"segments": [{"text": "a", "speaker": "A"}, {"text": "b", "speaker": "B"}]}"#,
        "undecided_speakers",
    );
}

#[test]
fn a_call_of_transcribe_call_analytics() {
    let call = value!({
        "JobStatus": "COMPLETED", "LanguageCode": "en-GB", "JobName": "kettle-17", "Channel": "VOICE", "AccountId": "1",
        "Participants": [{"ParticipantRole": "AGENT"}, {"ParticipantRole": "CUSTOMER"}],
        "ConversationCharacteristics": {"TotalConversationDurationMillis": 9000}, "Categories": {"MatchedCategories": []},
        "Transcript": [
            {"Id": "a", "ParticipantRole": "AGENT", "BeginOffsetMillis": 100, "EndOffsetMillis": 1900, "Content": "Good morning.", "Sentiment": "NEUTRAL", "Items": []},
            {"Id": "b", "ParticipantRole": "CUSTOMER", "BeginOffsetMillis": 2000, "EndOffsetMillis": 9000, "Content": "It leaks again."}
        ]
    });
    let wires = found(&call, "any");
    assert_eq!(wires.len(), 1);
    assert_eq!((wires[0].conversation_id.as_str(), wires[0].channel), ("kettle-17", Channel::Call));
    assert!(wires[0].message_id.starts_with("kettle-17."), "{}", wires[0].message_id);
    assert_eq!(wires[0].language.as_deref(), Some("en-GB"));
    assert_eq!(
        said(&wires[0]),
        [
            ("agent", "Good morning.", Some(100), Some(1_900)),
            ("customer", "It leaks again.", Some(2_000), Some(9_000))
        ]
    );
    assert_eq!(found(&call, "elsewhere")[0].message_id, wires[0].message_id);
    refused(r#"{"JobName": "x", "Transcript": [{"Content": "hi", "ParticipantRole": "ROBOT"}]}"#, "bad_item");
    refused(r#"{"JobName": "x", "Transcript": [{"ParticipantRole": "AGENT"}]}"#, "bad_item");
    refused(r#"{"JobName": "x", "Transcript": []}"#, "empty_text");
    // What ordinary Transcribe writes knows no sides.
    refused(r#"{"jobName": "x", "status": "COMPLETED", "results": {"transcripts": []}}"#, "unknown_format");
}

#[test]
fn calls_and_chats_of_contact_lens() {
    let call = value!({
        "Version": "1.1.0", "Channel": "VOICE", "LanguageCode": "it-IT", "JobStatus": "COMPLETED",
        "CustomerMetadata": {"ContactId": "0a1b-call", "InstanceId": "i-1"},
        "Participants": [{"ParticipantId": "p-1", "ParticipantRole": "CUSTOMER"}, {"ParticipantId": "AGENT", "ParticipantRole": "AGENT"}],
        "Transcript": [
            {"Id": "1", "ParticipantId": "AGENT", "BeginOffsetMillis": 0, "EndOffsetMillis": 900, "Content": "Pronto."},
            {"Id": "2", "ParticipantId": "p-1", "BeginOffsetMillis": 1000, "EndOffsetMillis": 3000, "Content": "Il bollitore perde.", "LoudnessScore": [70.1]}
        ]
    });
    let wires = found(&call, "0a1b-call_analysis_2026-05-14T18:45:00Z");
    assert_eq!((wires[0].conversation_id.as_str(), wires[0].channel), ("0a1b-call", Channel::Call));
    assert_eq!(wires[0].sent_at.unwrap().to_rfc3339(), "2026-05-14T18:45:00+00:00");
    assert_eq!(said(&wires[0])[1], ("customer", "Il bollitore perde.", Some(1_000), Some(3_000)));

    let chat = value!({
        "Version": "CHAT-2022-11-30", "Channel": "CHAT", "LanguageCode": "en-US",
        "CustomerMetadata": {"ContactId": "0a1b-chat"},
        "Participants": [
            {"ParticipantId": "p-1", "ParticipantRole": "CUSTOMER", "DisplayName": "Bo"},
            {"ParticipantId": "p-2", "ParticipantRole": "SYSTEM"}, {"ParticipantId": "p-3", "ParticipantRole": "AGENT"}
        ],
        "Transcript": [
            {"AbsoluteTime": "2026-05-14T18:44:00.000Z", "Type": "EVENT", "ParticipantId": "p-1", "ContentType": "application/vnd.amazonaws.connect.event.participant.joined"},
            {"AbsoluteTime": "2026-05-14T18:45:00.500Z", "Type": "MESSAGE", "ParticipantId": "p-2", "Content": "You are in line.", "ContentType": "text/plain"},
            {"AbsoluteTime": "2026-05-14T18:45:10.500Z", "Type": "MESSAGE", "ParticipantId": "p-1", "Content": "It leaks.", "ContentType": "text/plain"},
            {"AbsoluteTime": "2026-05-14T18:45:12.000Z", "Type": "ATTACHMENT", "ParticipantId": "p-1", "Attachments": [{"AttachmentName": "tap.png", "ContentType": "image/png"}]},
            {"AbsoluteTime": "2026-05-14T18:45:20.500Z", "Type": "MESSAGE", "ParticipantId": "p-3", "ParticipantRole": "AGENT", "Content": "Sorry!", "ContentType": "text/markdown"}
        ]
    });
    let wires = found(&chat, "x");
    assert_eq!((wires[0].conversation_id.as_str(), wires[0].channel), ("0a1b-chat", Channel::Chat));
    assert_eq!(wires[0].sent_at.unwrap().to_rfc3339(), "2026-05-14T18:44:00+00:00");
    assert_eq!(
        said(&wires[0]),
        [
            ("bot", "You are in line.", Some(60_500), None),
            ("customer", "It leaks.", Some(70_500), None),
            ("agent", "Sorry!", Some(80_500), None)
        ]
    );
    assert_eq!(wires[0].attachments[0].name.as_deref(), Some("tap.png"));
    let left: Vec<Entry> = entries(&chat.to_string(), "x").entries;
    assert!(left.iter().any(|entry| entry.found == Ok(Found::LeftOut("chat events"))));
    refused(r#"{"ContactId": "c", "Transcript": [{"Content": "hi", "ParticipantId": "p-9"}]}"#, "bad_item");
}

#[test]
fn conversations_and_messages_of_chatwoot() {
    let contact = value!({"id": 14, "name": "Bo", "email": "bo@example.org", "phone_number": "+39 333 1234567", "identifier": null, "type": "contact"});
    let conversation = value!({
        "id": 10, "account_id": 1, "channel": "Channel::Whatsapp", "meta": {"sender": contact, "channel": "Channel::Whatsapp"},
        "messages": [
            {"id": 118, "content": "It leaks", "message_type": 0, "created_at": 1_778_784_300, "private": false, "conversation_id": 10, "account_id": 1,
             "sender": {"id": 14, "type": "contact"}, "attachments": [{"id": 5, "file_type": "image", "data_url": "https://chat.example/files/tap.png?x=1", "file_size": 812}]},
            {"id": 119, "content": "Known fault, offer a new one", "message_type": 1, "created_at": 1_778_784_310, "private": true, "account_id": 1, "conversation_id": 10, "sender": {"id": 1, "type": "user"}},
            {"id": 120, "content": "We send another", "message_type": 1, "created_at": 1_778_784_320, "private": false, "account_id": 1, "conversation_id": 10, "sender": {"id": 1, "type": "user"}},
            {"id": 121, "content": "Anna resolved it", "message_type": 2, "created_at": 1_778_784_330, "account_id": 1, "conversation_id": 10},
            {"id": 122, "content": "How did we do?", "message_type": 3, "content_type": "input_csat", "created_at": 1_778_784_340, "account_id": 1, "conversation_id": 10},
            {"id": 123, "content": null, "message_type": 0, "created_at": 1_778_784_350, "account_id": 1, "conversation_id": 10},
            {"id": 124, "content": "Press 1", "message_type": 1, "created_at": 1_778_784_360, "account_id": 1, "conversation_id": 10, "sender": {"id": 3, "type": "agent_bot"}}
        ]
    });
    let wires = found(&conversation, "x");
    let authors: Vec<(Author, &str)> =
        wires.iter().map(|wire| (wire.author, wire.text.as_deref().unwrap())).collect();
    assert_eq!(
        authors,
        [
            (Author::Customer, "It leaks"),
            (Author::Agent, "We send another"),
            (Author::Bot, "How did we do?"),
            (Author::Bot, "Press 1")
        ]
    );
    assert!(
        wires
            .iter()
            .all(|wire| wire.conversation_id == "chatwoot-1-10" && wire.channel == Channel::Messaging)
    );
    assert!(wires.iter().all(|wire| wire.identities == ["mailto:bo@example.org", "tel:+39 333 1234567"]
        && wire.customer_id.is_none()));
    assert_eq!(wires[0].attachments[0].name.as_deref(), Some("tap.png"));
    assert_eq!(wires[0].sent_at.unwrap().to_rfc3339(), "2026-05-14T18:45:00+00:00");
    let left = entries(&conversation.to_string(), "x").entries;
    let left: Vec<&str> = left
        .iter()
        .filter_map(|entry| match entry.found {
            Ok(Found::LeftOut(why)) => Some(why),
            _ => None,
        })
        .collect();
    assert_eq!(left, ["private notes", "activity notices", "messages without words"]);

    // The webhook tells the same message in other words, and gives the same ids.
    let hook = value!({
        "event": "message_created", "id": 118, "content": "It leaks", "created_at": "2026-05-14T18:45:00.000Z", "message_type": "incoming",
        "sender": {"id": 14, "name": "Bo", "type": "contact"}, "account": {"id": 1, "name": "Shop"}, "inbox": {"id": 1},
        "conversation": {"id": 10, "channel": "Channel::Whatsapp", "meta": {"sender": contact}, "messages": []}
    });
    let hooked = &found(&hook, "x")[0];
    assert_eq!(
        (&hooked.message_id, &hooked.conversation_id),
        (&wires[0].message_id, &wires[0].conversation_id)
    );
    assert_eq!(hooked.identities, wires[0].identities);
    for list in [
        value!({"data": {"meta": {}, "payload": [conversation]}}),
        value!([conversation]),
        value!({"payload": conversation["messages"], "meta": {"contact": contact}}),
    ] {
        let ids: Vec<String> = found(&list, "x").into_iter().map(|wire| wire.message_id).collect();
        let all = wires.iter().map(|wire| wire.message_id.clone()).take(ids.len()).collect::<Vec<_>>();
        assert!(!ids.is_empty() && ids == all, "{list}");
    }
    let named = value!({"id": 1, "conversation_id": 2, "message_type": 0, "content": "Hi", "sender": {"id": 5, "identifier": "c-1001", "email": "x"}});
    assert_eq!(found(&named, "x")[0].customer_id.as_deref(), Some("c-1001"));
    let nameless =
        value!({"id": 1, "conversation_id": 2, "message_type": 0, "content": "Hi", "sender": {"id": 5}});
    assert_eq!(found(&nameless, "x")[0].customer_id.as_deref(), Some("chatwoot-5"));
    refused(r#"{"message_type": 9, "id": 1, "content": "x", "conversation_id": 1}"#, "bad_value");
    refused(r#"{"message_type": 0, "content": "x", "conversation_id": 1}"#, "bad_value");
    refused(r#"{"message_type": 0, "id": 1, "content": "x"}"#, "bad_value");
    refused(
        r#"{"message_type": 0, "id": 1, "content": "x", "conversation_id": 1, "created_at": "soon"}"#,
        "bad_value",
    );
    refused(r#"{"payload": [{"name": "an inbox"}]}"#, "not_this_format");
}

#[test]
fn one_document_a_line_and_broken_ones() {
    let text = "{\"id\":1,\"conversation_id\":2,\"message_type\":0,\"content\":\"Hi\"}\n{oops\n\n[]\n";
    let found = entries(text, "hooks").entries;
    let places: Vec<Option<&str>> = found.iter().map(|entry| entry.place.as_deref()).collect();
    assert_eq!(places, [Some("line 1, message 1"), Some("line 2"), Some("line 4")]);
    assert!(found[0].found.is_ok());
    assert_eq!(
        found[1].found.as_ref().unwrap_err().to_string(),
        "not JSON (a syntax error at line 2, column 2); give the file as it was written"
    );
    // Two calls in one file are two conversations.
    let calls = "{\"segments\":[{\"text\":\"a\"}]}\n{\"segments\":[{\"text\":\"b\"}]}\n";
    let ids: Vec<String> = entries(calls, "day")
        .entries
        .into_iter()
        .map(|entry| match entry.found {
            Ok(Found::Interaction(wire)) => wire.conversation_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["day-1", "day-2"]);
    refused("{\n\"a\": ", "not_json");
    refused("", "not_json");
    refused(&"[".repeat(100_000), "not_json");
    refused(
        "{\"schema\": \"smista.interaction.v1\", \"message_id\": \"m\", \"conversation_id\": \"k\", \"channel\": \"telex\", \"text\": \"x\"}",
        "bad_value",
    );
    refused("{\"schema\": \"smista.interaction.v1\", \"message_id\": \"m\"}", "missing_field");
    refused("{\"a\": 1}", "unknown_format");
    refused("\"words\"", "unknown_format");
}

/// Any JSON, with the names that are looked for.
fn anything() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "Transcript",
        "Participants",
        "ParticipantId",
        "ParticipantRole",
        "Content",
        "AbsoluteTime",
        "BeginOffsetMillis",
        "JobName",
        "segments",
        "transcription",
        "text",
        "start",
        "end",
        "speaker",
        "language",
        "avg_logprob",
        "messages",
        "message_type",
        "payload",
        "data",
        "id",
        "content",
        "conversation_id",
        "created_at",
        "sender",
        "email",
        "meta",
        "channel",
        "attachments",
        "data_url",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| value!(number)),
        "[ -~è]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "AGENT",
            "CUSTOMER",
            "incoming",
            "Channel::Email",
            "2026-05-14T18:45:00Z",
            "a@b.example"
        ])
        .prop_map(Value::from),
        (0..4).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..7)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(value in anything(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let text = value.to_string();
        for format in [Format::Json, Format::Whisper, Format::Transcribe, Format::ContactLens, Format::Chatwoot] {
            for bytes in [text.as_bytes(), &bytes] {
                let found = json(&Whole { stem: Some("x"), bytes }, format, &Settings::default());
                prop_assert!(!found.entries.is_empty(), "something is said of every file");
                for entry in found.entries {
                    if let Err(error) = entry.found {
                        prop_assert!(!error.to_string().contains('\n') && !error.class().is_empty());
                    }
                }
            }
        }
    }
}
