//! A story as a supervisor writes it: who wrote when, through which channel, what; and what is expected of each contact
//! and of the end. `tests/journeys/README.md` explains the format.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value, json};
use smista::nlp::labels::{Emotion, SignalKind, Stage};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    pub title: String,
    /// Customer id of every contact that names none; none: nobody says who it is.
    pub customer: Option<String>,
    /// Language of the brief, as a check that the story is what it says.
    pub language: Option<String>,
    /// Another time zone than that of the configuration.
    pub time_zone: Option<String>,
    #[serde(rename = "contact")]
    pub contacts: Vec<Told>,
    /// State of the customer at the end, whatever the order of arrival.
    #[serde(default)]
    pub end: End,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    pub id: Option<String>,
    #[serde(deserialize_with = "minute")]
    pub at: DateTime<Utc>,
    pub channel: String,
    pub conversation: String,
    /// Another customer id than the story's; `""` for none.
    pub customer: Option<String>,
    #[serde(default)]
    pub identities: Vec<String>,
    /// Who wrote it: customer (default), agent, bot.
    pub from: Option<String>,
    pub says: Option<String>,
    /// `[speaker, text]` each.
    #[serde(default)]
    pub turns: Vec<(String, String)>,
    pub nps: Option<u8>,
    pub csat: Option<u8>,
    pub ces: Option<u8>,
    pub rating: Option<u8>,
    #[serde(default)]
    pub attributes: Map<String, Value>,
    #[serde(default)]
    pub means: Means,
    #[serde(default)]
    pub expect: Expect,
}

/// What the model would say; what is not given here is the word lists' answer.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Means {
    pub wants: Option<Vec<String>>,
    /// `negative`, `neutral`, `positive`, or a score of −1…1.
    pub feels: Option<Value>,
    pub emotions: Option<Vec<Emotion>>,
    /// `""`: places nobody.
    pub stage: Option<String>,
    pub signals: Option<Vec<SignalKind>>,
    pub effort: Option<f32>,
    pub language: Option<String>,
}

impl Means {
    pub fn stage(&self) -> Option<Option<Stage>> {
        self.stage.as_deref().map(|name| {
            (!name.is_empty()).then(|| Stage::from_name(name).unwrap_or_else(|| panic!("no stage {name}")))
        })
    }
}

/// What a decision has to say. Lists of flags, tags and events must be contained, `no_…` must not; other lists are
/// whole.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub customer: Option<String>,
    pub stage: Option<String>,
    pub transition: Option<String>,
    pub goals_open: Option<Vec<String>>,
    pub repeat_of: Option<Vec<String>>,
    pub repeat_count: Option<usize>,
    pub repeat_days: Option<f32>,
    pub cites: Option<Vec<String>>,
    pub contacts: Option<usize>,
    pub priority: Option<String>,
    pub action: Option<String>,
    pub queue: Option<String>,
    #[serde(default)]
    pub flags: Vec<String>,
    #[serde(default)]
    pub no_flags: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub events: Vec<String>,
    #[serde(default)]
    pub no_events: Vec<String>,
    #[serde(default)]
    pub brief: Vec<String>,
    #[serde(default)]
    pub brief_without: Vec<String>,
    pub churn: Option<String>,
    pub churn_reasons: Option<Vec<String>>,
    /// `[least, most]`.
    pub experience: Option<(u8, u8)>,
    pub promises_broken: Option<usize>,
    /// Of each promise its day, `2026-05-13`.
    pub promises_due: Option<Vec<String>>,
    pub follow_up: Option<String>,
    /// Pairs of words of the two spans.
    pub contradictions: Option<Vec<(String, String)>>,
    pub root_cause: Option<String>,
    pub tone: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    pub customer: Option<String>,
    pub stage: Option<String>,
    pub goals_open: Option<Vec<String>>,
    pub contacts: Option<u64>,
    pub experience: Option<(u8, u8)>,
    /// Names that lead to the same customer.
    #[serde(default)]
    pub also_known_as: Vec<String>,
}

impl Story {
    pub fn id(&self, index: usize) -> String {
        self.contacts[index].id.clone().unwrap_or_else(|| format!("{}", index + 1))
    }

    /// The contact as a producer sends it.
    pub fn wire(&self, index: usize) -> Vec<u8> {
        let told = &self.contacts[index];
        let mut body = json!({
            "schema": "smista.interaction.v1", "message_id": self.id(index), "channel": told.channel,
            "conversation_id": told.conversation, "sent_at": told.at.to_rfc3339(),
        });
        let mut set = |key: &str, value: Value| {
            if value != Value::Null {
                body[key] = value;
            }
        };
        let customer = told.customer.as_ref().or(self.customer.as_ref()).filter(|name| !name.is_empty());
        set("customer_id", json!(customer));
        set("author", json!(told.from));
        set("text", json!(told.says));
        if !told.turns.is_empty() {
            let turn = |(speaker, text): &(String, String)| json!({"speaker": speaker, "text": text});
            set("turns", told.turns.iter().map(turn).collect());
        } else if told.says.is_none() {
            set("text", json!(""));
        }
        if !told.identities.is_empty() {
            set("identities", json!(told.identities));
        }
        if !told.attributes.is_empty() {
            set("attributes", Value::Object(told.attributes.clone()));
        }
        set("nps", json!(told.nps));
        set("csat", json!(told.csat));
        set("ces", json!(told.ces));
        set("rating", json!(told.rating));
        body.to_string().into_bytes()
    }
}

/// `2026-05-11 09:00`, UTC.
fn minute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M")
        .map(|at| at.and_utc())
        .map_err(|error| de::Error::custom(format!("{text:?} is not like 2026-05-11 09:00: {error}")))
}
