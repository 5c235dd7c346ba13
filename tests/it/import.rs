//! `smista import`: files of other systems in, interactions out, as people and scripts use it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use smista::broker::amqp::AmqpBroker;
use smista::broker::{Broker, Settlement};

use crate::support::bench::{bound_queue, eventually_holds, next, nothing_comes};
use crate::support::process::Workspace;
use crate::support::rabbit::{Stage, on_stage};

/// The program in this folder, without any configuration of the machine that runs the test.
fn smista(folder: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smista"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SMISTA_") {
            command.env_remove(name);
        }
    }
    command.env("SMISTA_ENGINE__KIND", "scripted").env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.current_dir(folder).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || {
        // A program that refuses its arguments does not read.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn lines(output: &Output) -> Vec<Value> {
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A mailbox of a thread, a broken message and one that a machine wrote.
const MBOX: &str = "From r.ellery@example.org Thu May 14 18:45:00 2026\n\
    From: R. Ellery <r.ellery@example.org>\nTo: help@shop.example\nMessage-ID: <k1@example.org>\n\
    Date: Thu, 14 May 2026 18:45:00 +0000\nSubject: Kettle\n\nMy kettle leaks.\n>From the first day on.\n\n\
    From anna@shop.example Fri May 15 09:00:00 2026\nFrom: Anna <anna@shop.example>\nTo: r.ellery@example.org\n\
    Message-ID: <k2@shop.example>\nIn-Reply-To: <k1@example.org>\nDate: Fri, 15 May 2026 09:00:00 +0000\n\
    Subject: Re: Kettle\n\nWe send you another one.\n\n\
    From nobody Fri May 15 10:00:00 2026\nno headers at all\n\n\
    From r.ellery@example.org Sat May 16 09:00:00 2026\nFrom: r.ellery@example.org\nMessage-ID: <k3@example.org>\n\
    In-Reply-To: <k2@shop.example>\nDate: Sat, 16 May 2026 09:00:00 +0000\nSubject: Out of office: Kettle\n\
    Auto-Submitted: auto-replied\n\nI am away.\n";

#[test]
fn a_mailbox_becomes_decisions_and_twice_is_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("old.mbox"), MBOX).unwrap();
    let arguments = ["import", "--our-domain", "shop.example", "old.mbox"];
    let output = smista(dir.path(), &arguments, b"");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("old.mbox, message 3: it has no e-mail headers"), "{}", told(&output));
    assert!(told(&output).contains("3 interactions from 1 file; refused: 1"), "{}", told(&output));
    let found = lines(&output);
    let authors: Vec<&str> = found.iter().map(|line| line["author"].as_str().unwrap()).collect();
    assert_eq!(authors, ["customer", "agent", "customer"]);
    assert!(found.iter().all(|line| line["conversation_id"] == "k1@example.org"));
    assert!(found.iter().all(|line| line["identities"][0] == "mailto:r.ellery@example.org"));
    assert_eq!(smista(dir.path(), &arguments, b"").stdout, output.stdout, "the same every time");

    // Too large for a message: said, and with the name of what it leaves behind.
    let large = format!(
        "From: r@example.org\nMessage-ID: <big@example.org>\nDate: Thu, 14 May 2026 18:45:00 +0000\n\
         Content-Type: multipart/mixed; boundary=xx\n\n--xx\nContent-Type: text/plain\n\nSee the picture.\n\
         --xx\nContent-Type: image/png\nContent-Disposition: attachment; filename=tap.png\n\n{}\n--xx--\n",
        "A".repeat(1_200_000)
    );
    std::fs::write(dir.path().join("large.eml"), large).unwrap();
    let slim = smista(dir.path(), &["import", "--our-domain", "shop.example", "large.eml"], b"");
    assert_eq!(slim.status.code(), Some(0), "{}", told(&slim));
    assert!(told(&slim).contains("e-mails without their attachments: 1"), "{}", told(&slim));
    assert_eq!(lines(&slim)[0]["attachments"][0]["name"], "tap.png");

    let analyse = ["analyze", "--state", "sqlite:it.db"];
    let decided = smista(dir.path(), &analyse, &output.stdout);
    assert_eq!(decided.status.code(), Some(0), "{}", told(&decided));
    let decisions = lines(&decided);
    assert_eq!(decisions.len(), 3);
    assert_eq!(decisions[2]["route"]["action"], "none", "a machine's message");
    assert_eq!(decisions[0]["customer_id"], decisions[2]["customer_id"], "one customer by the address");
    let again = smista(dir.path(), &analyse, &output.stdout);
    assert_eq!(lines(&again), decisions, "imported again, the same decisions come back");
}

#[test]
fn wrong_rows_are_named_by_line_and_stop_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let table = "\u{FEFF}Id;Testo;Stelle;sent_at;phone;Umore\n\
        r-1;\"Ottimo,\nlo consiglio\";5;2026-05-14 18:45;+39 333 1234567;su\n\
        r-2;Pessimo;9;2026-05-14;;giù\n\
        r-3;Così così;3;14/05/2026;;\n\
        ;;;;;\n\
        r-4;troppe;1;;;;celle\n\
        r-5;Va bene;4;;;\n";
    std::fs::write(dir.path().join("voti.csv"), table).unwrap();
    // A table of a spreadsheet: its separator named, its days in figures.
    let spreadsheet = "sep=;\r\ntext;sent_at\r\nNon va;14/05/2026 18:45\r\n";
    std::fs::write(dir.path().join("foglio.csv"), spreadsheet).unwrap();
    let arguments =
        ["import", "--channel", "sms", "--time-zone", "Europe/Rome", "--dates", "dmy", "foglio.csv"];
    let output = smista(dir.path(), &arguments, b"");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(lines(&output)[0]["sent_at"], "2026-05-14T16:45:00Z");

    let map = ["--map", "message_id=Id", "--map", "text=testo", "--map", "rating=Stelle"];
    let arguments =
        [&["import", "--channel", "review", "--time-zone", "Europe/Rome"], &map[..], &["voti.csv"]].concat();
    let output = smista(dir.path(), &arguments, b"");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let found = lines(&output);
    assert_eq!(found.len(), 2);
    assert_eq!((&found[0]["message_id"], &found[0]["rating"]), (&"r-1".into(), &5.into()));
    assert_eq!(found[0]["sent_at"], "2026-05-14T16:45:00Z");
    assert_eq!(found[1]["message_id"], "r-5");
    let told = told(&output);
    for part in [
        "voti.csv, line 4: `rating` is out of range",
        "voti.csv, line 5: `sent_at` is no time",
        "voti.csv, line 7: it has 7 cells, the heading has 6",
        "left out: `Umore`",
        "2 interactions from 1 file; left out: empty rows (1); refused: 3",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn transcripts_and_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Sara>Hello, Sara here.\n\n00:03.000 --> 00:09.000\n\
        <v Bo>I was charged twice and nobody calls me back!\n";
    std::fs::write(dir.path().join("call-7.vtt"), vtt).unwrap();
    let output = smista(dir.path(), &["import", "call-7.vtt"], b"");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(told(&output).contains("name them with --agent NAME (undecided_speakers)"), "{}", told(&output));
    let output = smista(dir.path(), &["import", "--agent", "sara", "call-7.vtt"], b"");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let decided = smista(dir.path(), &["analyze"], &output.stdout);
    let decisions = lines(&decided);
    assert_eq!(
        (&decisions[0]["channel"], &decisions[0]["conversation_id"]),
        (&"call".into(), &"call-7".into())
    );
    assert_eq!(decisions[0]["analysis"]["sentiment"]["label"], "negative");

    let srt = b"1\n00:00:01,000 --> 00:00:02,000\nIt leaks\n";
    let output = smista(dir.path(), &["import", "--format", "srt", "--output", "out.jsonl", "-"], srt);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(output.stdout.is_empty() && told(&output).contains("name no speakers: 1"), "{}", told(&output));
    let written = std::fs::read_to_string(dir.path().join("out.jsonl")).unwrap();
    assert!(written.contains("\"start_ms\":1000") && written.ends_with("}\n"), "{written}");
}

#[test]
fn files_of_other_systems() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| std::fs::write(dir.path().join(name), value.to_string()).unwrap();
    write(
        "whisper.json",
        &json!({"language": "en", "segments": [{"start": 0.5, "end": 2.0, "text": " It leaks and nobody calls me back!"}]}),
    );
    write(
        "job.json",
        &json!({"JobName": "kettle-17", "LanguageCode": "it-IT", "Transcript": [
            {"ParticipantRole": "AGENT", "BeginOffsetMillis": 0, "EndOffsetMillis": 900, "Content": "Pronto"},
            {"ParticipantRole": "CUSTOMER", "BeginOffsetMillis": 1000, "EndOffsetMillis": 3000, "Content": "Il bollitore non funziona!"}
        ]}),
    );
    write(
        "lens.json",
        &json!({"Version": "1.1.0", "Channel": "CHAT", "CustomerMetadata": {"ContactId": "0a1b"}, "LanguageCode": "en-US",
            "Participants": [{"ParticipantId": "p", "ParticipantRole": "CUSTOMER"}], "Transcript": [
            {"ParticipantId": "p", "Type": "EVENT", "AbsoluteTime": "2026-05-14T18:44:00Z"},
            {"ParticipantId": "p", "Type": "MESSAGE", "Content": "Where is my parcel?", "AbsoluteTime": "2026-05-14T18:45:00Z"}
        ]}),
    );
    let hook = |id: u32, kind: &str| {
        json!({"event": "message_created", "id": id, "content": "Vorrei disdire il contratto", "message_type": kind, "account": {"id": 1},
            "created_at": "2026-05-14T18:45:00.000Z", "conversation": {"id": 10, "channel": "Channel::WebWidget",
            "meta": {"sender": {"id": 14, "email": "bo@example.org"}}}})
    };
    let hooks = format!("{}\n{{broken\n{}\n", hook(7, "incoming"), hook(8, "activity"));
    std::fs::write(dir.path().join("hooks.jsonl"), hooks).unwrap();
    let files = ["whisper.json", "job.json", "lens.json", "hooks.jsonl"];
    let output = smista(dir.path(), &[&["import", "--attribute", "imported=yes"], &files[..]].concat(), b"");
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let told_all = told(&output);
    for part in [
        "hooks.jsonl, line 2: not JSON",
        "transcripts that name no speakers: 1",
        "interactions that state no time: 2",
        "4 interactions from 4 files; left out: activity notices (1), chat events (1); refused: 1",
    ] {
        assert!(told_all.contains(part), "{part}: {told_all}");
    }
    let found = lines(&output);
    let conversations: Vec<&str> =
        found.iter().map(|line| line["conversation_id"].as_str().unwrap()).collect();
    assert_eq!(conversations, ["whisper", "kettle-17", "0a1b", "chatwoot-1-10"]);
    assert!(found.iter().all(|line| line["attributes"]["imported"] == "yes"));
    let decided = smista(dir.path(), &["analyze"], &output.stdout);
    assert_eq!(decided.status.code(), Some(0), "{}", told(&decided));
    let channels: Vec<Value> = lines(&decided).iter().map(|decision| decision["channel"].clone()).collect();
    assert_eq!(channels, ["call", "call", "chat", "chat"]);
    let forced = smista(dir.path(), &["import", "--format", "contact-lens", "whisper.json"], b"");
    assert!(
        told(&forced).contains("whisper.json: it does not look like a file of Contact Lens"),
        "{}",
        told(&forced)
    );
}

#[test]
fn wrong_use_and_files_that_are_not_there() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.csv"), "text\nhello\n").unwrap();
    std::fs::write(dir.path().join("notes.txt"), "dear diary").unwrap();
    std::fs::write(dir.path().join("no.mbox"), "Subject: x\n\nhello\n").unwrap();
    std::fs::write(dir.path().join("utf16.csv"), [0xFF, 0xFE, b't', 0]).unwrap();
    for (arguments, part) in [
        (&["import", "-"][..], "name it with --format"),
        (&["import", "--format", "eml", "-", "-"], "name it once"),
        (&["import", "--map", "words=Body", "a.csv"], "no field words"),
        (&["import", "--map", "text=A", "--map", "text=B", "a.csv"], "two columns"),
        (&["import", "--output", "a.csv", "a.csv"], "one of the files to read"),
        (&["import", "--our-domain", "a@b", "a.csv"], "shop.example"),
        (&["import", "--json", "a.csv"], "--publish"),
        (&["import"], "<FILE>"),
    ] {
        let output = smista(dir.path(), arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(part), "{arguments:?}: {}", told(&output));
    }
    let files = ["nowhere.eml", ".", "notes.txt", "no.mbox", "utf16.csv", "a.csv"];
    let output = smista(dir.path(), &[&["import", "--map", "text=text"], &files[..]].concat(), b"");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    for part in [
        "nowhere.eml: it cannot be opened",
        ".: it is a folder",
        "notes.txt: its format is not clear",
        "no.mbox: it does not look like a mailbox",
        "utf16.csv: it is UTF-16",
        "a.csv: nothing tells the channel",
        "0 interactions from 6 files; refused: 6",
    ] {
        assert!(told(&output).contains(part), "{part}: {}", told(&output));
    }
}

/// So many messages of the only input queue, in order, with their routing keys.
async fn arrived(stage: &Stage, wanted: usize) -> Vec<(String, Value)> {
    let broker = AmqpBroker::start(&stage.config).unwrap();
    let mut consumer = broker.consume(100).await.unwrap();
    let mut found = Vec::new();
    while found.len() < wanted {
        let delivery = next(&mut consumer).await;
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        assert_eq!(delivery.meta.message_id.as_deref(), body["message_id"].as_str());
        found.push((delivery.meta.routing_key.clone(), body));
        delivery.settle(Settlement::Ack).await.unwrap();
    }
    assert!(nothing_comes(&mut consumer).await, "no more than {wanted}");
    consumer.stop().await;
    broker.close().await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_messages_are_confirmed_and_in_order() {
    on_stage(1, |stage| async move {
        let workspace = Workspace::new(&stage.config.url, &stage.config.prefix, 1, None);
        let rows: String = (0..600).map(|at| format!("m-{at},c-{},row {at}\n", at % 7)).collect();
        let table = workspace.path().join("rows.csv");
        std::fs::write(&table, format!("message_id,customer_id,text\n{rows}bad\n")).unwrap();
        let arguments = ["import", "--publish", "--json", "--channel", "chat", table.to_str().unwrap()];
        let output = workspace.smista(&arguments);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&counts["published"], &counts["refused"], &counts["files"]),
            (&600.into(), &1.into(), &1.into())
        );
        // What was written to be looked at goes out as it is.
        let looked_at = workspace.path().join("seen.jsonl");
        let seen = looked_at.to_str().unwrap();
        let output =
            workspace.smista(&["import", "--channel", "chat", table.to_str().unwrap(), "--output", seen]);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        let output = workspace.smista(&["import", "--publish", seen]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        let found = arrived(&stage, 1_200).await;
        for (at, (key, body)) in found.iter().enumerate() {
            let row = at % 600;
            assert_eq!((key, &body["message_id"]), (&format!("c-{}", row % 7), &format!("m-{row}").into()));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_decides_what_was_published_twice_once() {
    on_stage(1, |stage| async move {
        let workspace = Workspace::new(&stage.config.url, &stage.config.prefix, 1, None);
        let mails = workspace.path().join("old.mbox");
        let first = MBOX.replace("From nobody Fri May 15 10:00:00 2026\nno headers at all\n\n", "");
        // What comes last is the same customer's, and so is decided after what came before it again.
        let last = "\nFrom r.ellery@example.org Mon May 18 09:00:00 2026\nFrom: r.ellery@example.org\n\
            Message-ID: <k4@example.org>\nIn-Reply-To: <k2@shop.example>\n\nIt came, thank you.\n";
        let mut worker = workspace.worker("worker");
        worker.wait_connected(std::time::Duration::from_secs(60));
        let (_channel, decisions) = bound_queue(&stage, "#").await;
        for (mailbox, wanted) in [(first.clone(), 3), (format!("{first}{last}"), 4)] {
            std::fs::write(&mails, mailbox).unwrap();
            let arguments = ["import", "--publish", "--our-domain", "shop.example", mails.to_str().unwrap()];
            let output = workspace.smista(&arguments);
            assert_eq!(output.status.code(), Some(0), "{}", told(&output));
            let summary = format!("{wanted} interactions from 1 file, sent and confirmed");
            assert!(told(&output).contains(&summary), "{}", told(&output));
            eventually_holds(&stage, &decisions, wanted).await;
        }
        assert_eq!(worker.terminate(std::time::Duration::from_secs(60)), Some(0), "{}", worker.log());
        let exported = workspace.path().join("out.jsonl");
        let output = workspace.smista(&["export", "decisions", "--out", exported.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        assert_eq!(std::fs::read_to_string(&exported).unwrap().lines().count(), 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_exchange_or_a_broker_it_says_what_to_do() {
    let Some(url) = crate::support::amqp_url() else { return };
    let table = |workspace: &Workspace| {
        let table = workspace.path().join("rows.csv");
        std::fs::write(&table, "text\nhello\n").unwrap();
        table.to_str().unwrap().to_owned()
    };
    let workspace = Workspace::new(&url, &crate::support::fresh_prefix(), 1, None);
    let output = workspace.smista(&["import", "--publish", "--channel", "chat", &table(&workspace)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("smista topology apply"), "{}", told(&output));
    let nowhere = format!("amqp://guest:guest@127.0.0.1:{}/%2f", crate::support::rabbit::free_port());
    let workspace = Workspace::new(&nowhere, "none", 1, None);
    let output = workspace.smista(&["import", "--publish", "--channel", "chat", &table(&workspace)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("smista doctor"), "{}", told(&output));
}
