//! Chatwoot: what its interface and its webhooks give. Conversations with `messages`, lists of them, lists of messages, or
//! single messages; each message is an interaction of its own, as it was when it came.

use serde_json::Value;

use super::ids::{digest, hex, taken};
use super::json::{Entries, string};
use super::{Found, ImportError, Settings, blank, times};
use crate::interaction::identity;
use crate::interaction::model::{Author, Channel};
use crate::interaction::wire::{WireAttachment, WireInteraction};

/// How deep conversations may lie in lists and envelopes.
const DEPTH: usize = 6;
const ATTACHMENTS: usize = 100;

/// What the surroundings of a message say of it.
#[derive(Clone, Copy, Default)]
struct Around<'a> {
    conversation: Option<&'a Value>,
    contact: Option<&'a Value>,
}

/// Every message in it, in order.
pub(super) fn messages(value: &Value, place: Option<&str>, settings: &Settings, entries: &mut Entries) {
    let before = entries.entries.len();
    walk(value, Around::default(), place, settings, entries, DEPTH);
    if entries.entries.len() == before {
        entries.push(place, Ok(Found::LeftOut("empty conversations")));
    }
}

fn walk(
    value: &Value,
    around: Around<'_>,
    place: Option<&str>,
    settings: &Settings,
    entries: &mut Entries,
    depth: usize,
) {
    let list = |name: &str| value.get(name).and_then(Value::as_array);
    let unknown = ImportError::NotThisFormat {
        format: "an export of Chatwoot",
        missing: "it has neither `messages` nor `message_type`",
    };
    let Some(depth) = depth.checked_sub(1) else {
        return entries.push(place, Err(unknown));
    };
    if let Some(items) = value.as_array() {
        for item in items {
            walk(item, around, place, settings, entries, depth);
        }
    } else if value.get("message_type").is_some() {
        let found = message(value, around, settings);
        let id = string(value, &["id"])
            .filter(|id| id.len() <= 40)
            .map(|id| format!("message {}", id.escape_debug()));
        let named = match (place, id) {
            (Some(place), Some(id)) => Some(format!("{place}, {id}")),
            (place, id) => id.or_else(|| place.map(str::to_owned)),
        };
        entries.push(named.as_deref(), found);
    } else if let Some(items) = list("messages") {
        let contact = value.get("meta").and_then(|meta| meta.get("sender")).or(around.contact);
        let around = Around { conversation: Some(value), contact };
        for item in items {
            walk(item, around, place, settings, entries, depth);
        }
    } else if let Some(items) = list("payload") {
        let contact = value.get("meta").and_then(|meta| meta.get("contact")).or(around.contact);
        for item in items {
            walk(item, Around { contact, ..around }, place, settings, entries, depth);
        }
    } else if let Some(inner) = value.get("data").or_else(|| value.get("payload")) {
        walk(inner, around, place, settings, entries, depth);
    } else {
        entries.push(place, Err(unknown));
    }
}

fn message(value: &Value, around: Around<'_>, settings: &Settings) -> Result<Found, ImportError> {
    let bad = |field, problem| ImportError::BadCell { field, problem };
    let conversation = value.get("conversation").or(around.conversation);
    let kind = string(value, &["message_type"]).unwrap_or_default();
    let author = match kind.as_str() {
        "0" | "incoming" => Author::Customer,
        "1" | "outgoing" if is_bot(value) => Author::Bot,
        "1" | "outgoing" => Author::Agent,
        "2" | "activity" => return Ok(Found::LeftOut("activity notices")),
        "3" | "template" => Author::Bot,
        _ => {
            return Err(bad(
                "message_type",
                "is none that is known; give incoming, outgoing, activity or template",
            ));
        }
    };
    if value.get("private").and_then(Value::as_bool).unwrap_or_default() {
        return Ok(Found::LeftOut("private notes"));
    }
    if value
        .get("content_attributes")
        .and_then(|own| own.get("deleted"))
        .and_then(Value::as_bool)
        .unwrap_or_default()
    {
        return Ok(Found::LeftOut("deleted messages"));
    }
    let Some(text) = string(value, &["content"]) else { return Ok(Found::LeftOut("messages without words")) };
    let id = string(value, &["id"]).ok_or(bad("id", "is missing; give messages as Chatwoot gives them"))?;
    let thread = string(value, &["conversation_id"])
        .or_else(|| {
            conversation.and_then(|one| string(one, &["id"]).or_else(|| string(one, &["display_id"])))
        })
        .ok_or(bad("conversation_id", "is missing; give messages with their conversation"))?;
    let sent_at = match string(value, &["created_at"]) {
        None => settings.sent_at,
        Some(time) => Some(
            times::read(&time, chrono_tz::UTC, None)
                .ok_or(bad("created_at", "is no time; give it as Chatwoot gives it, or in RFC 3339"))?,
        ),
    };
    let account = string(value, &["account_id"]).or_else(|| string(value, &["account", "id"]));
    let account = account.or_else(|| conversation.and_then(|one| string(one, &["account_id"])));
    let account = account.map_or_else(String::new, |account| format!("{account}-"));
    // Two installations have messages of the same number.
    let second = sent_at.map_or(0, |time| time.timestamp()).to_be_bytes();
    let hash = hex(digest(&[&second, text.as_bytes()]), 8);
    let made = |text: String| taken(&text).unwrap_or(text);
    let mut interaction = blank(
        made(format!("chatwoot-{id}.{hash}")),
        made(format!("chatwoot-{account}{thread}")),
        channel(value, conversation).or(settings.channel).unwrap_or(Channel::Chat),
    );
    interaction.author = author;
    interaction.sent_at = sent_at;
    interaction.language.clone_from(&settings.language);
    interaction.subject =
        string(value, &["content_attributes", "email", "subject"]).filter(|subject| subject.len() <= 2_000);
    interaction.attachments = attachments(value);
    interaction.text = Some(text);
    let of_conversation = conversation.and_then(|one| one.get("meta")).and_then(|meta| meta.get("sender"));
    let sender = value.get("sender").filter(|_| author == Author::Customer);
    let contacts = [sender, of_conversation, around.contact, value.get("contact")];
    name_customer(&mut interaction, &contacts.into_iter().flatten().collect::<Vec<_>>(), &account);
    Ok(interaction.into())
}

fn is_bot(value: &Value) -> bool {
    let kind =
        string(value, &["sender", "type"]).or_else(|| string(value, &["sender_type"])).unwrap_or_default();
    let kind = kind.to_lowercase().replace('_', "");
    kind == "agentbot" || kind.starts_with("captain")
}

/// The customer's own id at the company where any of these knows it, and addresses; the contact's number only where there is
/// neither, since one person can be several contacts.
fn name_customer(interaction: &mut WireInteraction, contacts: &[&Value], account: &str) {
    let first = |name: &str| contacts.iter().find_map(|contact| string(contact, &[name]));
    let address = |name: &str, scheme: &str| {
        let address = format!("{scheme}:{}", first(name)?);
        (address.len() <= 320 && identity::hash_identity(&address, b"").is_some()).then_some(address)
    };
    interaction.customer_id = first("identifier").as_deref().and_then(taken);
    interaction.identities =
        [address("email", "mailto"), address("phone_number", "tel")].into_iter().flatten().collect();
    if interaction.customer_id.is_none() && interaction.identities.is_empty() {
        interaction.customer_id = first("id").and_then(|id| taken(&format!("chatwoot-{account}{id}")));
    }
}

/// By the kind of the inbox.
fn channel(value: &Value, conversation: Option<&Value>) -> Option<Channel> {
    let of = |one: &Value| string(one, &["channel"]).or_else(|| string(one, &["meta", "channel"]));
    let inbox =
        |one: &Value| string(one, &["inbox", "channel_type"]).or_else(|| string(one, &["channel_type"]));
    let kind = conversation.and_then(of).or_else(|| inbox(value)).or_else(|| conversation.and_then(inbox))?;
    match kind.trim_start_matches("Channel::") {
        "WebWidget" | "Api" => Some(Channel::Chat),
        "Email" => Some(Channel::Email),
        "TwilioSms" => {
            let number = conversation.and_then(|one| string(one, &["contact_inbox", "source_id"]));
            Some(if number.is_some_and(|number| number.starts_with("whatsapp:")) {
                Channel::Messaging
            } else {
                Channel::Sms
            })
        }
        "Sms" => Some(Channel::Sms),
        "Whatsapp" | "Telegram" | "Line" | "FacebookPage" | "Instagram" => Some(Channel::Messaging),
        "TwitterProfile" | "Tiktok" => Some(Channel::Social),
        "Voice" => Some(Channel::Call),
        _ => None,
    }
}

fn attachments(value: &Value) -> Vec<WireAttachment> {
    let list = value.get("attachments").and_then(Value::as_array).into_iter().flatten();
    let named = list.map(|one| {
        let url = string(one, &["data_url"])
            .filter(|url| url.starts_with("https://") || url.starts_with("http://"));
        let url = url.filter(|url| url.len() <= 2_000 && !url.contains(char::is_whitespace));
        let name = url
            .as_deref()
            .and_then(|url| url.split(['?', '#']).next()?.rsplit('/').next().map(str::to_owned));
        let name = name.filter(|name| !name.is_empty() && name.len() <= 255);
        let kind = string(one, &["file_type"]).filter(|kind| kind.len() <= 255);
        WireAttachment {
            name: name.or(kind).or_else(|| Some("attachment".to_owned())),
            media_type: None,
            bytes: one.get("file_size").and_then(Value::as_u64),
            url,
        }
    });
    named.take(ATTACHMENTS).collect()
}
