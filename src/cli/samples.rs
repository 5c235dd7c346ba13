//! The interactions that come with the program: one story after the other of a made-up company's customers. E-mails are
//! kept as readable `.eml` files and become base64 when they are read.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

const LINES: &str = include_str!("../../samples/interactions.jsonl");

macro_rules! mails {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../samples/mail/", $name)))),+]
    };
}

const MAILS: &[(&str, &str)] = mails![
    "bianchi-fuori-sede.eml",
    "bianchi-preventivo.eml",
    "ellery-thermostat.eml",
    "greco-disdetta.eml",
    "hale-bereavement.eml",
    "lindqvist-charged-twice.eml",
    "lindqvist-out-of-office.eml",
    "marsh-return.eml",
    "meridiana-reclamo.eml",
    "okafor-order.eml",
    "rossi-diffida.eml",
    "whitcombe-fraud.eml",
];

/// One interaction, in the wire form.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its message id.
    pub id: String,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// What it is routed by: the customer, else the conversation.
    pub key: String,
    /// The JSON object.
    pub body: String,
}

#[derive(Deserialize)]
struct Head {
    message_id: String,
    conversation_id: String,
    customer_id: Option<String>,
    sent_at: DateTime<Utc>,
}

/// All of them, in order of time.
pub fn load() -> anyhow::Result<Vec<Sample>> {
    LINES
        .lines()
        .enumerate()
        .map(|(at, line)| read(line).with_context(|| format!("sample {}", at + 1)))
        .collect()
}

fn read(line: &str) -> anyhow::Result<Sample> {
    let mut object: Map<String, Value> = serde_json::from_str(line)?;
    if let Some(name) = object.remove("eml") {
        let Some((_, mail)) = MAILS.iter().find(|(known, _)| name == *known) else {
            bail!("the mail {name} is not there");
        };
        object.insert("mime".to_owned(), Value::String(STANDARD.encode(mail.replace('\n', "\r\n"))));
    }
    let body = Value::Object(object);
    let head = Head::deserialize(&body)?;
    let key = head.customer_id.unwrap_or(head.conversation_id);
    Ok(Sample { id: head.message_id, at: head.sent_at, key, body: body.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::{Interaction, Mode, ParseContext, parse};

    fn parsed() -> Vec<(Sample, Interaction)> {
        let read = |sample: Sample| {
            let context = ParseContext { received_at: sample.at, identity_key: b"key", mode: Mode::Queue };
            let interaction = parse(sample.body.as_bytes(), &context)
                .unwrap_or_else(|error| panic!("{}: {error}", sample.id));
            (sample, interaction)
        };
        load().unwrap().into_iter().map(read).collect()
    }

    #[test]
    fn every_sample_is_a_valid_interaction_in_order_of_time() {
        let samples = parsed();
        assert!(samples.len() >= 40);
        assert!(samples.windows(2).all(|pair| pair[0].0.at <= pair[1].0.at));
        for (sample, interaction) in &samples {
            assert_eq!(interaction.unknown_fields, Vec::<String>::new(), "{}", sample.id);
        }
    }

    #[test]
    fn every_mail_is_used_and_cut_to_what_is_new() {
        let samples = parsed();
        let mails = samples.iter().filter(|(sample, _)| sample.body.contains("\"mime\"")).count();
        assert_eq!(mails, MAILS.len());
        for (sample, interaction) in &samples {
            let document = interaction.document();
            for left in [
                "On Mon, 4 May",
                "Original Message",
                "ha scritto:",
                "CONFIDENTIALITY",
                "riservate e destinate",
            ] {
                assert!(!document.contains(left), "{}: {left} in {document}", sample.id);
            }
        }
        let automatic: Vec<&str> = samples
            .iter()
            .filter(|(_, interaction)| interaction.auto_reply.is_some())
            .map(|(sample, _)| sample.id.as_str())
            .collect();
        assert_eq!(automatic.len(), 2, "{automatic:?}");
    }

    #[test]
    fn nothing_personal_is_left_in_what_is_analysed() {
        for (sample, interaction) in parsed() {
            let document = interaction.document();
            for secret in ["4111", "GB33", "IT60", "RSSMRA85", "ines.duarte@", "12345670017"] {
                assert!(!document.contains(secret), "{}: {secret} in {document}", sample.id);
            }
        }
    }
}
