//! What each route does.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::caller::Caller;
use super::model::{
    AssignRequest, CommentRequest, Conversation, CorrectionAnswer, CorrectionRequest, QueueItem, QueuePage,
};
use super::problem::Problem;
use crate::console::fault::Fault;
use crate::console::query::PAGE;
use crate::console::work::{self, Said};
use crate::console::{Console, conversation as pages};
use crate::interaction::Channel;
use crate::nlp::labels::{SentimentLabel, Stage};
use crate::routing::decision::Level;
use crate::store::console::{Act, Cursor, Filter, Sorting, Status};

/// Most conversations on a page.
const MOST: u32 = 200;

type Shared = State<Arc<Console>>;

/// Narrows the queue; what is left out does not narrow.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct QueueFilter {
    /// `open`, `assigned`, `reopened`, or `resolved`; without it everything that is not resolved.
    pub status: String,
    /// `urgent` (most urgent first) or `newest`; `urgent` when left out.
    pub sort: String,
    /// `low`, `normal`, `high`, `urgent`.
    pub priority: String,
    /// Name of a queue.
    pub queue: String,
    /// `chat`, `email`, …
    pub channel: String,
    /// `awareness`, `consideration`, …
    pub stage: String,
    /// `negative`, `neutral`, `positive`.
    pub sentiment: String,
    /// Code of a language.
    pub language: String,
    /// A signal or flag.
    pub signal: String,
    /// The account that has it.
    pub assignee: String,
    /// Words of the redacted text of the latest message, in any case.
    pub q: String,
    /// Conversations on a page, 1 to 200; 40 when left out.
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: String,
}

fn one_of<'a>(name: &str, value: &str, known: impl IntoIterator<Item = &'a str>) -> Result<String, Problem> {
    let known: Vec<&str> = known.into_iter().collect();
    if value.is_empty() || known.contains(&value) {
        return Ok(value.to_owned());
    }
    Err(Problem::Value(format!("{name} is one of {}", known.join(", "))))
}

impl QueueFilter {
    fn filter(&self) -> Result<Filter, Problem> {
        let sort = one_of("sort", &self.sort, ["urgent", "newest"])?;
        Ok(Filter {
            done: self.status == Status::Resolved.as_str(),
            sorting: if sort == "newest" { Sorting::Newest } else { Sorting::Urgent },
            assignee: self.assignee.clone(),
            status: one_of("status", &self.status, Status::ALL.map(Status::as_str))?,
            priority: one_of("priority", &self.priority, Level::ALL.map(Level::as_str))?,
            queue: self.queue.clone(),
            channel: one_of("channel", &self.channel, Channel::ALL.map(Channel::as_str))?,
            stage: one_of("stage", &self.stage, Stage::ALL.iter().map(|stage| stage.as_str()))?,
            sentiment: one_of(
                "sentiment",
                &self.sentiment,
                SentimentLabel::ALL.iter().map(|label| label.as_str()),
            )?,
            language: self.language.clone(),
            signal: self.signal.clone(),
            text: self.q.trim().to_owned(),
            look_through: None,
        })
    }
}

fn written(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", cursor.key, cursor.conversation_id))
}

fn read(cursor: &str) -> Result<Option<Cursor>, Problem> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let parse = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let (key, conversation) = text.split_once(':')?;
        Some(Cursor { key: key.parse().ok()?, conversation_id: conversation.to_owned() })
    };
    parse().map(Some).ok_or_else(|| Problem::Value("cursor is not one that this API gave".to_owned()))
}

pub(super) async fn queue(
    State(console): Shared,
    query: Result<Query<QueueFilter>, QueryRejection>,
) -> Result<Json<QueuePage>, Problem> {
    let Query(query) = query.map_err(|error| Problem::Value(error.body_text()))?;
    let (filter, after) = (query.filter()?, read(&query.cursor)?);
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::Value(format!("limit is 1 to {MOST}")));
    }
    let page = console.store.queue(&filter, after.as_ref(), limit).await?;
    let items = page.items.into_iter().map(QueueItem::from).collect();
    Ok(Json(QueuePage { items, next: page.next.as_ref().map(written) }))
}

pub(super) async fn conversation(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Conversation>, Problem> {
    Ok(Json(pages::looked_at(&console, &caller.account, id).await?.into()))
}

/// A body of JSON, whatever its media type says; what is wrong with it is told.
pub(super) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::Value(format!("the body: {error}")))
}

pub(super) async fn correct(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let asked: CorrectionRequest = body(&bytes)?;
    let said = Said {
        message: asked.message_id,
        decision: asked.decision_id.map(|id| id.to_string()).unwrap_or_default(),
        sentiment: asked.sentiment.unwrap_or_default(),
        intent: asked.intent.unwrap_or_default(),
        stage: asked.stage.unwrap_or_default(),
        priority: asked.priority.unwrap_or_default(),
        queue: asked.queue.unwrap_or_default(),
        note: asked.note.unwrap_or_default(),
    };
    let done = work::correct(&console, &caller.account, &id, &said).await?;
    let answer = CorrectionAnswer { changed: done.changed, decision: done.decision };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

pub(super) async fn assign(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<StatusCode, Problem> {
    let AssignRequest { account } = body(&bytes)?;
    let known = console.store.account(&account).await?.is_some_and(|account| !account.disabled);
    if !known {
        return Err(Problem::Value("there is no such account, or it may not sign in".to_owned()));
    }
    act(&console, &caller, &id, Act::Assign, &account).await
}

pub(super) async fn resolve(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    act(&console, &caller, &id, Act::Resolve, "").await
}

pub(super) async fn reopen(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    act(&console, &caller, &id, Act::Reopen, "").await
}

pub(super) async fn comment(
    State(console): Shared,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<StatusCode, Problem> {
    let CommentRequest { text } = body(&bytes)?;
    act(&console, &caller, &id, Act::Comment, &text).await
}

async fn act(
    console: &Console,
    caller: &Caller,
    id: &str,
    act: Act,
    text: &str,
) -> Result<StatusCode, Problem> {
    work::act(console, &caller.account, id, act, text).await.map_err(|fault: Fault| Problem::from(fault))?;
    Ok(StatusCode::NO_CONTENT)
}
