//! Rows 20, 24 and 30: what producers send.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::bench::Setup;
use crate::support::ledger::Book;
use crate::support::producer::Input;
use crate::support::verdict::{Verdict, percentile};
use crate::support::{by_form, seconds};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_20_malformed_messages() {
    let Some(bench) =
        Setup::of(20, "malformed messages", "parked after one try, with the reason").open().await
    else {
        return;
    };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    let malformed: [(&str, &[u8], &'static str); 6] = [
        ("bad-json", b"{not json", "not_json"),
        ("bad-utf8", b"\xff\xfe\xfd", "not_utf8"),
        ("empty", b"", "not_json"),
        (
            "no-id",
            br#"{"schema":"smista.interaction.v1","conversation_id":"x","channel":"chat","text":"hi"}"#,
            "missing_field",
        ),
        (
            "no-text",
            br#"{"schema":"smista.interaction.v1","message_id":"e","conversation_id":"x","channel":"chat","text":" "}"#,
            "empty_text",
        ),
        ("other-schema", br#"{"schema":"smista.interaction.v9"}"#, "wrong_schema"),
    ];
    let rounds = by_form(5, 100);
    let mut verdict = Verdict::of(format!("{} malformed messages among {}", rounds * 6, rounds * 20));
    for round in 0..rounds {
        let inputs: Vec<Input> = malformed
            .iter()
            .map(|(name, body, class)| {
                let id = format!("{name}-{round}");
                verdict.parked.push((id.clone(), class));
                Input::raw(&id, *body)
            })
            .collect();
        bench.send(&inputs).await;
        bench.load(20, 20).await;
    }
    bench.ledger().until(seconds(100), "all decided or parked", Book::is_settled).await;
    let late = bench.ledger().look(|book| {
        book.parked
            .iter()
            .filter(|parked| parked.attempt != Some(1))
            .map(|parked| parked.id.clone())
            .collect::<Vec<_>>()
    });
    verdict.require(late.is_empty(), format!("parked after more than one try: {late:?}"));
    let parked = bench.ledger().look(|book| book.parked.len());
    verdict.require(parked == rounds * 6, format!("{parked} parked messages"));
    verdict.copies_allowed = Some(0);
    bench.close(vec![worker], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_24_a_producer_that_sends_twice() {
    let setup = Setup {
        shards: 4,
        ..Setup::of(24, "10 % of messages sent twice by the producer", "no extra effect")
    };
    let Some(bench) = setup.open().await else { return };
    let mut workers = vec![bench.worker("one"), bench.worker("two")];
    for worker in &mut workers {
        worker.ready().await;
    }
    let windows = by_form(10, 100);
    let window = |window: usize| -> Vec<Input> {
        (0..60)
            .map(|n| {
                Input::chat(
                    &format!("c{n}"),
                    &format!("m{window:04}-{n:03}"),
                    window * 60 + n,
                    "where is my parcel?",
                )
            })
            .collect()
    };
    for number in 0..windows {
        let inputs = window(number);
        bench.send(&inputs).await;
        // Half of the copies at once, half of them much later.
        bench.send_again(&inputs[..3]).await;
        if number >= 3 {
            bench.send_again(&window(number - 3)[3..6]).await;
        }
    }
    let mut verdict =
        Verdict::of(format!("{} messages, {} of them sent twice", windows * 60, windows * 6 - 9));
    bench.ledger().until(seconds(200), "all decided", Book::is_settled).await;
    let mut received = 0.0;
    for _ in 0..100 {
        received = workers.iter().map(|worker| worker.metric("smista_duplicates_total")).sum();
        if received >= (windows * 6 - 9) as f64 {
            break;
        }
        tokio::time::sleep(crate::support::millis(200)).await;
    }
    verdict.figure("duplicates_recognised", received);
    verdict.require(received >= (windows * 6 - 9) as f64, format!("{received} duplicates were recognised"));
    bench.close(workers, verdict).await;
}

fn with(number: usize, fields: Value) -> Input {
    let (id, customer) = (format!("h{number:03}"), format!("hostile-{number}"));
    let mut body = json!({
        "schema": "smista.interaction.v1",
        "message_id": id,
        "conversation_id": format!("conversation-{customer}"),
        "customer_id": customer,
        "channel": "chat",
    });
    let all = body.as_object_mut().unwrap();
    for (name, value) in fields.as_object().unwrap() {
        all.insert(name.clone(), value.clone());
    }
    Input { customer, id, body: body.to_string().into_bytes() }
}

fn mime(text: &str) -> Value {
    json!({ "channel": "email", "mime": base64::engine::general_purpose::STANDARD.encode(text) })
}

/// Bodies meant to break something. What is well-formed has to be decided, the rest parked.
fn hostile() -> (Vec<Value>, Vec<Vec<u8>>) {
    let nested_parts: String = (0..200)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect::<String>();
    let texts = [
        "a".repeat(20_000),
        "A ".repeat(10_000),
        "aaaa@".repeat(3_000),
        "1234 ".repeat(3_000),
        "4111 1111 1111 1111 ".repeat(400),
        "IT60X0542811101000000123456".repeat(200),
        "+39 02 1234567 ".repeat(500),
        "\u{202e}refund me now\u{202c} ".repeat(200),
        "\u{200b}r\u{200d}e\u{feff}f\u{2060}und please ".repeat(200),
        "e\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}".repeat(2_000),
        "\u{fdfa}".repeat(3_000),
        "😀👩‍👩‍👧‍👦🏳️‍🌈".repeat(1_000),
        "<script>alert(1)</script>'; DROP TABLE inbox; -- ${jndi:ldap://x} {{7*7}} %s%n".repeat(50),
        "password: ".repeat(2_000),
        "> > > > > quoted\n".repeat(2_000),
        "\n".repeat(5_000) + "help",
        "please ".to_owned() + &"!?".repeat(8_000),
        "Ж".repeat(10_000),
        "汉字".repeat(5_000),
    ];
    let mut good: Vec<Value> = texts.iter().map(|text| json!({ "text": text })).collect();
    good.extend([
        json!({ "text": "hello", "attributes": { "a": "b".repeat(200), "c": "\u{202e}x" } }),
        json!({ "text": "hello", "unknown": { "deep": [[[[[[[[1]]]]]]]] } }),
        json!({ "text": "hello", "language": "zz" }),
        json!({ "channel": "call", "turns": (0..500).map(|n| json!({ "speaker": "customer", "text": format!("turn {n} of a long call") })).collect::<Vec<_>>() }),
        mime("From: a@b.c\r\nSubject: =?utf-8?B?////?=\r\nContent-Type: text/plain; charset=x-unknown\r\n\r\nwhere is my order"),
        mime(&format!("From: a@b.c\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n{}help me please", "<div>".repeat(3_000))),
        mime(&format!("Subject: {}\r\n\r\nI want a refund", "x".repeat(900))),
    ]);
    let deep = "[".repeat(200) + &"]".repeat(200);
    let bad: Vec<Vec<u8>> = vec![
        deep.clone().into_bytes(),
        format!(r#"{{"schema":"smista.interaction.v1","message_id":"x","conversation_id":"x","channel":"chat","text":"x","y":{deep}}}"#)
            .into_bytes(),
        vec![b'a'; 1024 * 1024 + 1],
        vec![0; 4096],
        b"[]".to_vec(),
        b"null".to_vec(),
        b"1e999999".to_vec(),
        br#"{"schema":"smista.interaction.v1","schema":"smista.interaction.v1"}"#.to_vec(),
        br#"{"schema":"smista.interaction.v1","message_id":"\ud800","conversation_id":"x","channel":"chat","text":"x"}"#.to_vec(),
        br#"{"schema":"smista.interaction.v1","message_id":"x","conversation_id":"x","channel":"chat","text":"x","turns":[]}"#.to_vec(),
        br#"{"schema":"smista.interaction.v1","message_id":"x","conversation_id":"x","channel":"fax","text":"x"}"#.to_vec(),
        br#"{"schema":"smista.interaction.v1","message_id":"x","conversation_id":"x","channel":"chat","text":"x","sent_at":"99999-01-01T00:00:00Z"}"#.to_vec(),
        br#"{"schema":"smista.interaction.v1","message_id":"x","conversation_id":"x","channel":"chat","nps":1e308,"text":"x"}"#.to_vec(),
        br#"{"schema":"smista.interaction.v1","message_id":"x","conversation_id":"x","channel":"email","mime":"!!!"}"#.to_vec(),
        [br#"{"schema":"smista.interaction.v1","message_id":"x","conversation_id":"x","channel":"email","mime":""#.to_vec(),
            base64::engine::general_purpose::STANDARD.encode(nested_parts).into_bytes(), br#""}"#.to_vec()].concat(),
    ];
    (good, bad)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_30_hostile_inputs() {
    let setup = Setup::of(30, "hostile inputs", "no panic; the 99th percentile is bounded");
    let Some(bench) = setup.open().await else { return };
    let mut worker = bench.worker("worker");
    worker.ready().await;
    let (good, bad) = hostile();
    let good: Vec<Input> = good.into_iter().enumerate().map(|(n, fields)| with(n, fields)).collect();
    let bad: Vec<Input> =
        bad.into_iter().enumerate().map(|(n, body)| Input::raw(&format!("b{n:03}"), body)).collect();
    // One after another: what is measured is the message, not the queue before it.
    let mut slowest = (0.0, String::new());
    let mut times = Vec::new();
    for input in good.iter().chain(&bad) {
        bench.send(std::slice::from_ref(input)).await;
        let took = bench.ledger().until(seconds(120), &input.id, Book::is_settled).await;
        times.push(took.as_secs_f64());
        if took.as_secs_f64() > slowest.0 {
            slowest = (took.as_secs_f64(), input.id.clone());
        }
    }
    times.sort_by(f64::total_cmp);
    let mut verdict = Verdict::of(format!(
        "{} hostile messages that are well-formed, {} that are not",
        good.len(),
        bad.len()
    ));
    let p99 = percentile(&times, 0.99);
    verdict.within("99th percentile", std::time::Duration::from_secs_f64(p99), seconds(20));
    verdict.figure("slowest", slowest.1);
    let log = worker.log();
    verdict.require(!log.contains("panicked"), "something panicked");
    let classes = bench.ledger().look(|book: &Book| book.parked.clone());
    verdict.require(!classes.iter().any(|parked| parked.class == "internal_error"), "parked after a panic");
    verdict.parked = bad
        .iter()
        .map(|input| {
            let class = classes
                .iter()
                .find(|parked| parked.id == input.id)
                .map_or("not parked", |parked| parked.class.as_str());
            (input.id.clone(), class.to_owned().leak() as &'static str)
        })
        .collect();
    verdict.copies_allowed = Some(0);
    bench.close(vec![worker], verdict).await;
}
