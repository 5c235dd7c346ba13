use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::interaction::{Interaction, Mode, ParseContext, WireError, WireTurn, parse};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap()
}

/// What a worker reads of it.
fn read(wire: &WireInteraction) -> Result<Interaction, WireError> {
    let context = ParseContext { received_at: now(), identity_key: b"k", mode: Mode::Queue };
    parse(&serde_json::to_vec(wire).unwrap(), &context)
}

fn settings() -> Settings {
    Settings { our_domains: vec!["shop.example".to_owned()], ..Settings::default() }
}

fn one(raw: &str) -> WireInteraction {
    mail(raw.as_bytes(), None, &settings(), &mut Threads::default()).unwrap()
}

const FIRST: &str = "From: \"R. Ellery\" <R.Ellery@Example.org>\r\nTo: help@shop.example\r\nMessage-ID: <a1@example.org>\r\n\
    Date: Thu, 14 May 2026 18:45:00 +0200\r\nSubject: Kettle\r\nContent-Language: en-GB\r\n\r\nThe kettle leaks.\r\n";

#[test]
fn an_email_says_who_when_and_in_which_thread() {
    let wire = one(FIRST);
    assert!(wire.message_id.starts_with("a1@example.org."), "{}", wire.message_id);
    assert_eq!(wire.conversation_id, "a1@example.org");
    assert_eq!(wire.identities, ["mailto:r.ellery@example.org"]);
    assert_eq!((wire.author, wire.channel), (Author::Customer, Channel::Email));
    assert_eq!(wire.sent_at.unwrap().to_rfc3339(), "2026-05-14T16:45:00+00:00");
    assert_eq!(wire.language.as_deref(), Some("en-GB"));
    let read = read(&wire).unwrap();
    assert_eq!(read.subject.unwrap().as_str(), "Kettle");
    assert_eq!(read.turns[0].text.as_str(), "The kettle leaks.");
    // The same through a server that writes other headers and line ends.
    let again = one(&format!("Received: by mx\r\n{FIRST}").replace("\r\n", "\n"));
    assert_eq!(again.message_id, wire.message_id);
    assert_ne!(one(&FIRST.replace("leaks", "hisses")).message_id, wire.message_id);
}

#[test]
fn an_answer_is_the_agents_and_of_the_same_thread() {
    let reply = "From: Anna <anna@mail.shop.example>\nTo: r.ellery@example.org\nMessage-ID: <b2@shop.example>\n\
        In-Reply-To: <a1@example.org>\n\nWe send another.\n";
    let wire = one(reply);
    assert_eq!((wire.author, wire.conversation_id.as_str()), (Author::Agent, "a1@example.org"));
    assert_eq!(wire.identities, ["mailto:r.ellery@example.org"]);
    let two = one(&reply.replace("To: ", "To: b@else.example, "));
    assert!(two.identities.is_empty(), "two people would become one");
    assert_eq!(one(&reply.replace("mail.shop.example", "workshop.example")).author, Author::Customer);
    // The third message names the second alone.
    let mut threads = Threads::default();
    let third = "From: r.ellery@example.org\nMessage-ID: <c3@example.org>\nIn-Reply-To: <b2@shop.example>\n\nThanks\n";
    for raw in [FIRST, reply, third] {
        let wire = mail(raw.as_bytes(), None, &settings(), &mut threads).unwrap();
        assert_eq!(wire.conversation_id, "a1@example.org", "{raw}");
    }
    let bare = one("From: x@y.example\n\nhello\n");
    assert!(bare.message_id.starts_with("mail-") && bare.conversation_id == bare.message_id);
    assert_eq!(bare.sent_at, None);
}

#[test]
fn a_large_email_goes_without_its_attachments_and_names_them() {
    let blob = STANDARD.encode(vec![7_u8; 1_500_000]);
    let raw = |headers: &str, text: &str| {
        format!(
            "From: r@example.org\nMessage-ID: <big@example.org>\nSubject: Photos\n{headers}Content-Type: multipart/mixed; boundary=xx\n\n\
             --xx\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--xx\nContent-Type: image/png; name=tap.png\n\
             Content-Disposition: attachment; filename=tap.png\nContent-Transfer-Encoding: base64\n\n{blob}\n--xx--\n"
        )
    };
    let wire = one(&raw("", "Il rubinetto è così, perché?"));
    assert!(size(&wire) < 3_000);
    let found = read(&wire).unwrap();
    assert_eq!(found.turns[0].text.as_str(), "Il rubinetto è così, perché?");
    assert_eq!(found.subject.unwrap().as_str(), "Photos");
    assert_eq!(found.attachments.len(), 1);
    assert_eq!(
        (found.attachments[0].name.as_str(), found.attachments[0].bytes),
        ("tap.png", Some(1_500_000))
    );
    assert_eq!(found.auto_reply, None);
    let machine = read(&one(&raw("Auto-Submitted: auto-replied\n", "I am away."))).unwrap();
    assert_eq!(machine.auto_reply.as_deref(), Some("header:auto-submitted"));
    let endless =
        mail(raw("", &"words ".repeat(300_000)).as_bytes(), None, &settings(), &mut Threads::default());
    assert_eq!(endless.unwrap_err().class(), "too_large");
    let nothing = mail(b"\n\n", None, &settings(), &mut Threads::default());
    assert_eq!(nothing.unwrap_err().class(), "bad_mime");
}

fn table(heading: &str, settings: &Settings) -> Result<Table, ImportError> {
    Table::of(&heading.split(',').collect::<Vec<_>>(), settings)
}

fn row(table: &mut Table, cells: &str) -> WireInteraction {
    match table.row(&cells.split(',').collect::<Vec<_>>()).unwrap() {
        Found::Interaction(wire) => *wire,
        Found::LeftOut(why) => panic!("left out: {why}"),
    }
}

#[test]
fn a_row_is_a_message() {
    let mut settings = Settings { zone: chrono_tz::Europe::Rome, ..Settings::default() };
    settings.columns.insert("text".to_owned(), "body".to_owned());
    let heading =
        "\u{FEFF}Message ID,Channel,Body,sent-at,email,phone,Speaker,rating,Attributes.Tier,mood,Text";
    let mut rows = table(heading, &settings).unwrap();
    assert_eq!(rows.unknown(), ["mood", "Text"]);
    let wire = row(
        &mut rows,
        "m-1,E-mail,Non va,2026-05-14 18:45,a@b.example,+39 333 1234567,Operatore,,gold,bad,other",
    );
    assert_eq!((wire.message_id.as_str(), wire.conversation_id.as_str()), ("m-1", "m-1"));
    assert_eq!((wire.channel, wire.author), (Channel::Email, Author::Agent));
    assert_eq!(wire.sent_at.unwrap().to_rfc3339(), "2026-05-14T16:45:00+00:00");
    assert_eq!(wire.attributes["Tier"], "gold");
    assert_eq!(read(&wire).unwrap().identities.len(), 2);
    let scored = row(&mut rows, ",review,,,,,,4.0,,,");
    assert_eq!(read(&scored).unwrap().ratings.rating, Some(4));
    // The same words twice are two messages, with the same ids in every run.
    let again = row(&mut rows, ",review,,,,,,4.0,,,");
    assert_ne!(scored.message_id, again.message_id);
    assert_eq!(
        row(&mut table(heading, &settings).unwrap(), ",review,,,,,,4.0,,,").message_id,
        scored.message_id
    );
    assert_eq!(rows.row(&[" "; 11]).unwrap(), Found::LeftOut("empty rows"));
}

#[test]
fn rows_and_headings_that_cannot_be_read() {
    let known = Settings { channel: Some(Channel::Chat), ..Settings::default() };
    let mut rows = table("text,sent_at,speaker,rating,channel", &known).unwrap();
    let mut check = |cells: &str, class: &str| {
        let error = rows.row(&cells.split(',').collect::<Vec<_>>()).unwrap_err();
        assert_eq!(error.class(), class, "{cells}: {error}");
    };
    check("hi,14/05/2026,,,", "bad_value");
    check("hi,,nobody,,", "bad_value");
    check("hi,,,4.5,", "bad_value");
    check("hi,,,,telex", "bad_value");
    check("hi,,,", "wrong_cells");
    check("hi,,,,,more", "wrong_cells");
    let heading = |heading: &str, settings: &Settings, class: &str| {
        assert_eq!(table(heading, settings).unwrap_err().class(), class, "{heading}");
    };
    heading("a,b", &known, "no_heading");
    heading("text,Text", &known, "two_columns");
    heading("text", &Settings::default(), "missing_field");
    let columns = BTreeMap::from([("text".to_owned(), "Body".to_owned())]);
    heading("text", &Settings { columns, ..known }, "no_column");
    for (line, wanted) in [("a;b;\"c,d,e,f\"", b';'), ("a,b", b','), ("a\tb,c\td", b'\t'), ("text", b',')] {
        assert_eq!(delimiter(line.as_bytes()), wanted, "{line}");
    }
}

fn call(text: &str, agents: &[&str]) -> Result<Transcribed, ImportError> {
    let settings =
        Settings { agents: agents.iter().map(|name| (*name).to_owned()).collect(), ..Settings::default() };
    subtitles(&Whole { stem: Some("call-7_2026-05-14T18-45-00Z"), bytes: text.as_bytes() }, &settings)
}

fn said(turns: &[WireTurn]) -> Vec<(&str, &str, Option<u64>)> {
    turns.iter().map(|turn| (turn.speaker.as_str(), turn.text.as_str(), turn.start_ms)).collect()
}

#[test]
fn webvtt_with_voices() {
    let text = "WEBVTT - made by hand\nKind: captions\nLanguage: en\n\nNOTE a remark\nof two lines\n\nSTYLE\n::cue {}\n\n\
        1\n00:00.000 --> 00:02.000 align:start\nYou are in line.\n\n00:03.000 --> 00:05.000\n<v Sara Conti>Thanks for calling.\n\n\
        00:05.500 --> 00:07.000\n<v Sara Conti>Who is there?\n\n00:20.000 --> 00:22.000\n<v Bo>The kettle\nleaks.</v>\n";
    let found = call(text, &[]).unwrap();
    assert!(!found.unattributed);
    let [wire] = found.parts.as_slice() else { panic!("{found:?}") };
    assert_eq!(wire.conversation_id, "call-7_2026-05-14T18-45-00Z");
    assert_eq!(wire.sent_at.unwrap().to_rfc3339(), "2026-05-14T18:45:00+00:00");
    assert_eq!(wire.language.as_deref(), Some("en"));
    assert_eq!(
        said(wire.turns.as_ref().unwrap()),
        [
            ("bot", "You are in line.", Some(0)),
            ("agent", "Thanks for calling. Who is there?", Some(3_000)),
            ("customer", "The kettle\nleaks.", Some(20_000)),
        ]
    );
    assert_eq!(read(wire).unwrap().channel, Channel::Call);
    let again = call(text, &[]).unwrap();
    assert_eq!(again.parts[0].message_id, wire.message_id);
    assert_ne!(call(&text.replace("leaks", "hums"), &[]).unwrap().parts[0].message_id, wire.message_id);
}

#[test]
fn subrip_with_names_before_the_words() {
    let text = "\u{FEFF}1\r\n00:00:01,000 --> 00:00:02,000\r\nBo: Nota: non va\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n\
        Ada: Capisco.\r\nBo: Grazie\r\n\r\n3\r\n00:00:09,000 --> 00:00:10,000\r\nnon va nulla\r\n\r\n4\r\n\
        00:00:11,000 --> 00:00:12,000\r\nAda: Ecco: fatto\r\n";
    let found = call(text, &["ada"]).unwrap();
    assert_eq!(
        said(found.parts[0].turns.as_ref().unwrap()),
        [
            ("customer", "Nota: non va", Some(1_000)),
            ("agent", "Capisco.", Some(3_000)),
            ("customer", "Grazie", Some(3_000)),
            ("customer", "non va nulla", Some(9_000)),
            ("agent", "Ecco: fatto", Some(11_000)),
        ]
    );
    assert_eq!(call(text, &[]).unwrap_err().class(), "undecided_speakers");
    let alone = call("1\n00:00:01,000 --> 00:00:02,000\nIt leaks: badly\n", &[]).unwrap();
    assert!(alone.unattributed);
    assert_eq!(said(alone.parts[0].turns.as_ref().unwrap()), [("customer", "It leaks: badly", Some(1_000))]);
}

#[test]
fn transcripts_that_cannot_be_read() {
    let check = |text: &str, class: &str| {
        let error = call(text, &[]).unwrap_err();
        assert_eq!(error.class(), class, "{text}: {error}");
    };
    check("words", "not_this_format");
    check("WEBVTT\n\n", "empty_text");
    check("WEBVTT\n\nwords\nwithout times\n", "bad_cue");
    check("1\n00:00:xx,000 --> 00:00:02,000\nhi\n", "bad_cue");
    check("1\n00:00:05,000 --> 00:00:02,000\nhi\n", "bad_cue");
    let long = format!("WEBVTT\n\n00:01.000 --> 00:02.000\n{}\n", "word ".repeat(300_000));
    check(&long, "too_long");
    let bytes = Whole { stem: None, bytes: &[0xFF, 0xFE, 0x41, 0x00] };
    assert_eq!(subtitles(&bytes, &Settings::default()).unwrap_err(), ImportError::Utf16);
}

#[test]
fn a_long_call_comes_in_parts_that_keep_everything() {
    let mut text = "WEBVTT\n".to_owned();
    for at in 0..4_500 {
        let (minute, second) = (at * 3 / 60, at * 3 % 60);
        let name = if at % 2 == 0 { "Agent" } else { "Customer" };
        text.push_str(&format!(
            "\n{minute}:{second:02}.000 --> {minute}:{second:02}.900\n<v {name}>turn {at}\n"
        ));
    }
    let found = call(&text, &[]).unwrap();
    let sizes: Vec<usize> = found.parts.iter().map(|part| part.turns.as_ref().unwrap().len()).collect();
    assert_eq!(sizes, [2_000, 2_000, 500]);
    let turns = found.parts.iter().flat_map(|part| part.turns.as_ref().unwrap());
    assert!(turns.enumerate().all(|(at, turn)| turn.text == format!("turn {at}")));
    assert!(found.parts.iter().all(|part| part.conversation_id == found.parts[0].conversation_id));
    assert!(found.parts[1].message_id.ends_with(".2"), "{}", found.parts[1].message_id);
    assert_eq!(
        found.parts[1].sent_at.unwrap() - found.parts[0].sent_at.unwrap(),
        chrono::TimeDelta::seconds(6_000)
    );
    for part in &found.parts {
        read(part).unwrap();
    }
    // By bytes too.
    let words = format!(
        "WEBVTT\n\n0:01.000 --> 0:02.000\n<v Agent>{0}\n\n0:03.000 --> 0:04.000\n<v Customer>{0}\n",
        "word ".repeat(150_000)
    );
    let found = call(&words, &[]).unwrap();
    assert_eq!(found.parts.len(), 2);
    for part in &found.parts {
        read(part).unwrap();
    }
}

proptest! {
    /// Whatever the bytes: an interaction that has its ids, or an error on one line that says something.
    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..400),
            "(From [a-z@ ]{0,9}10:00 2026\n|[A-Za-z-]{1,9}: [<>a-z@:; ]{0,20}\n|\n|>{0,2}From x\n|[ -~]{0,30}\n){0,12}".prop_map(String::into_bytes),
            "(WEBVTT\n|\n|[0-9]{0,2}:?[0-9]{2}:[0-9]{2}[.,][0-9]{3} --> [0-9]{2}:[0-9]{2}.[0-9]{3}\n|<v [A-Za-zà-ù ]{0,5}>?[ -~]{0,12}\n|[A-Z][a-z]{0,4}: [ -~èà&;<>{}]{0,12}\n){0,14}".prop_map(String::into_bytes),
            "([a-z_.]{0,12}[,;\t\"]){0,6}\n".prop_map(String::into_bytes),
        ],
        cells in prop::collection::vec("[ -~àè\u{200B}]{0,12}", 0..8),
    ) {
        let fit = |error: &ImportError| {
            let text = error.to_string();
            !text.is_empty() && !text.contains('\n') && !error.class().is_empty()
        };
        let settings = Settings { channel: Some(Channel::Chat), ..settings() };
        sniff(None, &bytes);
        match mail(&bytes, None, &settings, &mut Threads::default()) {
            Ok(wire) => prop_assert!(!wire.message_id.is_empty() && !wire.conversation_id.is_empty()),
            Err(error) => prop_assert!(fit(&error)),
        }
        match subtitles(&Whole { stem: None, bytes: &bytes }, &settings) {
            Ok(found) => prop_assert!(!found.parts.is_empty() && found.parts.iter().all(|part| read(part).is_ok() || part.turns.is_some())),
            Err(error) => prop_assert!(fit(&error)),
        }
        let mut splitter = MboxSplitter::new(200);
        for line in bytes.split(|byte| *byte == b'\n') {
            splitter.push(Some(line));
        }
        splitter.end();
        let text = String::from_utf8_lossy(&bytes);
        let heading: Vec<&str> = text.split(char::from(delimiter(&bytes))).collect();
        match Table::of(&heading, &settings) {
            Ok(mut rows) => {
                let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
                if let Err(error) = rows.row(&cells) {
                    prop_assert!(fit(&error));
                }
            }
            Err(error) => prop_assert!(fit(&error)),
        }
    }
}
