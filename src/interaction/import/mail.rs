//! An e-mail as an interaction: the message itself goes along as it is and is read later; here its headers give ids,
//! thread, side and customer.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use mail_parser::{Address, HeaderValue, Message};

use super::ids::{digest, hex, taken};
use super::{ImportError, Settings, blank, size};
use crate::interaction::email::{Mail, of, open, own};
use crate::interaction::json::MAX_BYTES;
use crate::interaction::model::{Author, Channel};
use crate::interaction::wire::{WireAttachment, WireInteraction};

/// 2000-01-01: a date before it is a broken clock.
const EARLIEST: i64 = 946_684_800;
/// Bytes of names that the wire form takes.
const MAX_NAME: usize = 255;
const MAX_MEDIA_TYPE: usize = 127;
/// Headers that describe a body, and so go with it.
const OF_THE_BODY: [&str; 5] =
    ["content-type", "content-transfer-encoding", "content-disposition", "content-id", "mime-version"];

/// Which thread each message seen so far belongs to, by `References` and `In-Reply-To`.
#[derive(Debug, Default)]
pub struct Threads(HashMap<[u8; 16], Arc<str>>);

impl Threads {
    /// The thread of a message that refers to `references`, oldest first: one that any of them is known to belong to, else
    /// the oldest of them, else the message itself.
    fn place(&mut self, id: Option<&str>, references: &[&str]) -> Option<Arc<str>> {
        let key = |id: &str| digest(&[id.as_bytes()]);
        let known = references.iter().chain(&id).find_map(|id| self.0.get(&key(id)).cloned());
        let root = known.or_else(|| references.first().copied().or(id).map(Arc::from))?;
        for id in references.iter().chain(&id) {
            self.0.entry(key(id)).or_insert_with(|| Arc::clone(&root));
        }
        Some(root)
    }
}

/// One RFC 5322 message. `received` is when a mailbox says that it came in.
///
/// # Errors
/// It cannot be read, or its text alone is more than a message may have.
pub fn mail(
    raw: &[u8],
    received: Option<DateTime<Utc>>,
    settings: &Settings,
    threads: &mut Threads,
) -> Result<WireInteraction, ImportError> {
    let message = open(raw)?;
    let own = own(&message);
    let id = own.message_id().map(str::trim).filter(|id| !id.is_empty());
    let references = references(own);
    let root = threads.place(id, &references);
    let message_id = match id.and_then(taken) {
        // Senders that give every message the same id lose none.
        Some(id) => format!("{id}.{}", hex(digest(&[body(raw)]), 8)),
        None => format!("mail-{}", hex(digest(&[raw]), 32)),
    };
    let conversation_id = root.as_deref().and_then(taken).unwrap_or_else(|| message_id.clone());
    let mut interaction = blank(message_id, conversation_id, Channel::Email);
    let ours = |address: &str| is_ours(address, &settings.our_domains);
    let sender = address(own.from().and_then(Address::first));
    interaction.author = if sender.as_deref().is_some_and(ours) { Author::Agent } else { Author::Customer };
    let customer = match interaction.author {
        Author::Customer => sender,
        // Two recipients would be taken for one person.
        _ => only_one(recipients(own).filter(|address| !ours(address))),
    };
    interaction.identities = customer.into_iter().map(|address| format!("mailto:{address}")).collect();
    interaction.sent_at = sent_at(own, received).or(settings.sent_at);
    interaction.language = language(own).or_else(|| settings.language.clone());
    interaction.mime = Some(STANDARD.encode(raw));
    if size(&interaction) > MAX_BYTES {
        without_attachments(&mut interaction, &message)?;
    }
    Ok(interaction)
}

/// What comes after the headers: the same for a message taken from two mailboxes.
fn body(raw: &[u8]) -> &[u8] {
    let blank = raw.windows(2).position(|two| two == b"\n\n").map(|at| at + 2);
    let blank = blank.or_else(|| raw.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4));
    blank.and_then(|at| raw.get(at..)).unwrap_or(raw).trim_ascii()
}

/// Ids of the messages before it in its thread, oldest first.
fn references<'a>(message: &'a Message<'_>) -> Vec<&'a str> {
    let list =
        |value: &'a HeaderValue<'_>| value.as_text_list().unwrap_or_default().iter().map(|id| id.trim());
    let mut ids: Vec<&str> = Vec::new();
    for id in list(message.references()).chain(list(message.in_reply_to())) {
        if !id.is_empty() && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

/// An address that can be an identity, in lower case.
fn address(from: Option<&mail_parser::Addr<'_>>) -> Option<String> {
    let address = from?.address()?.trim().to_lowercase();
    let (local, domain) = address.rsplit_once('@')?;
    let fit = !local.is_empty()
        && !domain.is_empty()
        && address.len() <= 300
        && !address.chars().any(|c| c.is_whitespace() || c.is_control());
    fit.then_some(address)
}

fn recipients<'a>(message: &'a Message<'_>) -> impl Iterator<Item = String> + 'a {
    message.to().into_iter().flat_map(Address::iter).filter_map(|to| address(Some(to)))
}

fn only_one(mut addresses: impl Iterator<Item = String>) -> Option<String> {
    let first = addresses.next()?;
    addresses.all(|other| other == first).then_some(first)
}

fn is_ours(address: &str, domains: &[String]) -> bool {
    let domain = address.rsplit('@').next().unwrap_or_default();
    domains.iter().any(|ours| {
        domain.strip_suffix(ours.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// `Date`, else when the last server received it, else when the mailbox did.
fn sent_at(message: &Message<'_>, received: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let moment = |date: &mail_parser::DateTime| {
        let seconds = date.is_valid().then(|| date.to_timestamp())?;
        DateTime::from_timestamp(seconds, 0).filter(|time| time.timestamp() >= EARLIEST)
    };
    let server = || message.received().and_then(|header| header.date()).as_ref().and_then(moment);
    message.date().and_then(moment).or_else(server).or(received)
}

/// `Content-Language`, where it names one.
fn language(message: &Message<'_>) -> Option<String> {
    let value = message.header_raw("Content-Language")?.trim();
    let fit = (2..=35).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    fit.then(|| value.to_owned())
}

/// Puts the message's headers and its text in place of all of it, and names its attachments beside it.
fn without_attachments(interaction: &mut WireInteraction, message: &Message<'_>) -> Result<(), ImportError> {
    let found = of(message);
    let mut slim = String::new();
    for (name, value) in own(message).headers_raw() {
        if !OF_THE_BODY.iter().any(|of_the_body| name.eq_ignore_ascii_case(of_the_body)) {
            slim.push_str(name);
            slim.push(':');
            slim.push_str(value.trim_end_matches(['\r', '\n']));
            slim.push('\n');
        }
    }
    slim.push_str(
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n",
    );
    slim.push_str(&found.text);
    // By its own headers it may be a machine's no longer, as with the parts of a bounce.
    let Mail { auto_reply, .. } = of(&open(slim.as_bytes())?);
    if auto_reply.is_some() != found.auto_reply.is_some() {
        return Err(ImportError::LargeAutoReply);
    }
    interaction.mime = Some(STANDARD.encode(&slim));
    interaction.attachments = found.attachments.into_iter().map(named).collect();
    if size(interaction) > MAX_BYTES {
        return Err(ImportError::TooMuchText { bytes: found.text.len(), limit: MAX_BYTES });
    }
    Ok(())
}

/// Within the lengths of the wire form.
fn named(attachment: WireAttachment) -> WireAttachment {
    let cut = |text: String| {
        let end = (0..=MAX_NAME).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        if text.len() > MAX_NAME { text.get(..end).unwrap_or_default().to_owned() } else { text }
    };
    WireAttachment {
        name: attachment.name.map(cut),
        media_type: attachment.media_type.filter(|media_type| media_type.len() <= MAX_MEDIA_TYPE),
        ..attachment
    }
}
