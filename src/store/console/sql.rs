//! The console's side of the store: which statements run in which transaction.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::filter::Statement;
use super::review::{self, COLUMNS};
use super::{
    Access, Account, Act, ConsoleStore, Corrected, Correction, Cursor, Expired, Filter, Identity, Item,
    MESSAGES, News, Note, OutboxMessage, Page, Projection, Reviewed, Role, Seen, Session, StoreError, Token,
    project, provider, token,
};
use crate::interaction::Interaction;
use crate::routing::Decision;
use crate::store::link::Param::{self, Int, Text};
use crate::store::link::{Cell, Database, Link, cells};
use crate::store::map::{self, Mapped};
use crate::store::risk;
use crate::store::sql::{self, SqlStore, parsed};

pub(super) const ACCOUNT: &str = "account, role, password, disabled, language, created_at";

#[async_trait]
impl<D: Database> ConsoleStore for SqlStore<D> {
    async fn add_account(&self, account: &Account) -> Result<bool, StoreError> {
        let sql = "INSERT INTO console_accounts (account, role, password, disabled, language, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account) DO NOTHING";
        self.changed(sql, &written(account)).await
    }

    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let sql = format!("SELECT {ACCOUNT} FROM console_accounts WHERE account = $1");
        self.read(&sql, &[Text(name)]).await?.into_iter().next().map(account).transpose()
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let sql = format!("SELECT {ACCOUNT} FROM console_accounts ORDER BY account");
        self.read(&sql, &[]).await?.into_iter().map(account).collect()
    }

    async fn change_account(&self, account: &Account) -> Result<bool, StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let sql = "UPDATE console_accounts SET role = $2, password = $3, disabled = $4, language = $5, \
                created_at = $6 WHERE account = $1";
            let changed = link.execute(sql, &written(account)).await?;
            link.execute("DELETE FROM console_sessions WHERE account = $1", &[Text(&account.name)]).await?;
            link.commit().await?;
            Ok(changed > 0)
        })
        .await
    }

    async fn admit(
        &self,
        identity: &Identity,
        name: &str,
        role: Role,
    ) -> Result<Option<Account>, StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let admitted = provider::admit(&mut *link, identity, name, role).await?;
            match admitted {
                Some(_) => link.commit().await?,
                None => link.abandon().await?,
            }
            Ok(admitted)
        })
        .await
    }

    async fn set_language(&self, account: &str, language: &str) -> Result<(), StoreError> {
        let sql = "UPDATE console_accounts SET language = $2 WHERE account = $1";
        self.write_one(sql, &[Text(account), Text(language)]).await
    }

    async fn begin_session(
        &self,
        token: &str,
        account: &str,
        at: DateTime<Utc>,
        expired: Expired,
    ) -> Result<(), StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let old = "DELETE FROM console_sessions WHERE created_at < $1 OR seen_at < $2";
            let before = [Int(expired.created.timestamp_micros()), Int(expired.seen.timestamp_micros())];
            link.execute(old, &before).await?;
            let sql =
                "INSERT INTO console_sessions (token, account, created_at, seen_at) VALUES ($1, $2, $3, $3)";
            link.execute(sql, &[Text(token), Text(account), Int(at.timestamp_micros())]).await?;
            link.commit().await
        })
        .await
    }

    async fn session(&self, token: &str) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT a.account, a.role, a.password, a.disabled, a.language, a.created_at, \
                s.created_at, s.seen_at \
            FROM console_sessions s JOIN console_accounts a ON a.account = s.account WHERE s.token = $1";
        let Some(mut row) = self.read(sql, &[Text(token)]).await?.into_iter().next() else {
            return Ok(None);
        };
        let [created, seen]: [Cell; 2] = cells(row.split_off(row.len().saturating_sub(2)))?;
        Ok(Some(Session {
            account: account(row)?,
            created_at: review::time(&created)?,
            seen_at: review::time(&seen)?,
        }))
    }

    async fn touch_session(&self, token: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        let sql = "UPDATE console_sessions SET seen_at = $2 WHERE token = $1";
        self.write_one(sql, &[Text(token), Int(at.timestamp_micros())]).await
    }

    async fn end_session(&self, token: &str) -> Result<(), StoreError> {
        self.write_one("DELETE FROM console_sessions WHERE token = $1", &[Text(token)]).await
    }

    async fn queue(&self, filter: &Filter, after: Option<&Cursor>, limit: u32) -> Result<Page, StoreError> {
        let statement = Statement::page(filter, after, limit.saturating_add(1));
        let rows = self.read(&statement.sql, &statement.params()).await?;
        let mut items: Vec<Item> = rows.into_iter().map(review::item).collect::<Result<_, _>>()?;
        if items.len() > limit as usize {
            items.truncate(limit as usize);
            let next = items.last().map(|item| Cursor::behind(item, filter.sorting));
            return Ok(Page { items, next, is_cut: false });
        }
        let Some(statement) = Statement::last_looked_at(filter, after) else {
            return Ok(Page { items, next: None, is_cut: false });
        };
        let last = self.read(&statement.sql, &statement.params()).await?.into_iter().next();
        let place = |row: Vec<Cell>| {
            let [key, conversation] = cells(row)?;
            Ok::<_, StoreError>(Cursor { key: key.int()?, conversation_id: conversation.text()? })
        };
        let next = last.map(place).transpose()?;
        Ok(Page { items, is_cut: next.is_some(), next })
    }

    async fn queue_count(&self, filter: &Filter, most: u32) -> Result<u64, StoreError> {
        let statement = Statement::count(filter, most);
        let rows = self.read(&statement.sql, &statement.params()).await?;
        let [count] = cells(rows.into_iter().next().unwrap_or_default())?;
        Ok(u64::try_from(count.int()?).unwrap_or(0))
    }

    async fn news(&self, since: DateTime<Utc>, limit: u32) -> Result<Vec<News>, StoreError> {
        let sql = "SELECT conversation_id, decided_at FROM review \
            WHERE listed = 1 AND decided_at > $1 ORDER BY decided_at LIMIT $2";
        let rows = self.read(sql, &[Int(since.timestamp_micros()), Int(limit.into())]).await?;
        rows.into_iter()
            .map(|row| {
                let [conversation, at] = cells(row)?;
                Ok(News { conversation_id: conversation.text()?, decided_at: at.int()? })
            })
            .collect()
    }

    async fn conversation(&self, conversation: &str) -> Result<Option<Reviewed>, StoreError> {
        self.within(async {
            let mut link = self.database.read().await?;
            let found = reviewed(&mut *link, conversation).await?;
            link.abandon().await?;
            Ok(found)
        })
        .await
    }

    async fn note(&self, conversation: &str, note: &Note) -> Result<bool, StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let known = "SELECT conversation_id FROM review WHERE conversation_id = $1";
            if link.rows(known, &[Text(conversation)]).await?.is_empty() {
                link.abandon().await?;
                return Ok(false);
            }
            add_note(&mut *link, conversation, note).await?;
            link.commit().await?;
            Ok(true)
        })
        .await
    }

    async fn correct_with(
        &self,
        conversation: &str,
        correction: &Correction,
        note: &Note,
        superseding: Option<(&Decision, &Interaction)>,
        outbox: &[OutboxMessage],
    ) -> Result<Corrected, StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let known =
                "SELECT message_id FROM review_messages WHERE message_id = $1 AND conversation_id = $2";
            let named = [Text(&correction.message_id), Text(conversation)];
            if link.rows(known, &named).await?.is_empty() {
                link.abandon().await?;
                return Ok(Corrected::Unknown);
            }
            if let Some((decision, interaction)) = superseding
                && !supersede(&mut *link, decision, interaction).await?
            {
                link.abandon().await?;
                return Ok(Corrected::Overtaken);
            }
            sql::write_correction(&mut *link, correction).await?;
            add_note(&mut *link, conversation, note).await?;
            if let Some(rows) = sql::outbox(&correction.message_id, correction.corrected_at, outbox) {
                link.execute(&rows.sql, &rows.params).await?;
            }
            link.commit().await?;
            Ok(Corrected::Kept)
        })
        .await
    }

    async fn saw(&self, access: &Access) -> Result<(), StoreError> {
        let id = Uuid::new_v4().to_string();
        let sql = "INSERT INTO console_access (access_id, conversation_id, at, account, what) VALUES ($1, $2, $3, $4, $5)";
        let (conversation, at) = (Text(&access.conversation_id), Int(access.at.timestamp_micros()));
        let what = Text(access.what.as_str());
        self.write_one(sql, &[Text(&id), conversation, at, Text(&access.account), what]).await
    }

    async fn accesses(&self, limit: u32) -> Result<Vec<Access>, StoreError> {
        let sql = "SELECT at, account, conversation_id, what FROM console_access ORDER BY at DESC LIMIT $1";
        let rows = self.read(sql, &[Int(limit.into())]).await?;
        rows.into_iter()
            .map(|row| {
                let [at, account, conversation, what] = cells(row)?;
                let (at, account, what) = (review::time(&at)?, account.text()?, what.text()?);
                let seen = Seen::from_name(&what);
                let what = seen.ok_or_else(|| StoreError::Corrupt(format!("unknown look {what}")))?;
                Ok(Access { at, account, conversation_id: conversation.text()?, what })
            })
            .collect()
    }

    async fn index(&self, decision: &Decision, interaction: &Interaction) -> Result<(), StoreError> {
        let row = Projection::of(decision, interaction);
        let mapped = Mapped::of(decision, interaction);
        self.within(async {
            let mut link = self.database.write().await?;
            // It may have been purged or erased in between; what was corrected is in the queue and stays as it is.
            let known = "SELECT i.message_id FROM inbox i WHERE i.message_id = $1 AND NOT EXISTS \
                (SELECT 1 FROM decisions d WHERE d.message_id = i.message_id AND d.decision_id <> i.decision_id)";
            let mut statements = vec![map::map(&mapped), risk::keep(decision)];
            if !link.rows(known, &[Text(&decision.message_id)]).await?.is_empty() {
                statements.extend(project(&row));
            }
            link.execute_each(&statements).await?;
            link.commit().await
        })
        .await
    }

    async fn keep_view(&self, account: &str, name: &str, query: &str) -> Result<(), StoreError> {
        if query.is_empty() {
            let sql = "DELETE FROM console_views WHERE account = $1 AND name = $2";
            return self.write_one(sql, &[Text(account), Text(name)]).await;
        }
        let sql = "INSERT INTO console_views (account, name, query) VALUES ($1, $2, $3) \
            ON CONFLICT (account, name) DO UPDATE SET query = excluded.query";
        self.write_one(sql, &[Text(account), Text(name), Text(query)]).await
    }

    async fn views(&self, account: &str) -> Result<Vec<(String, String)>, StoreError> {
        let sql = "SELECT name, query FROM console_views WHERE account = $1 ORDER BY name";
        let rows = self.read(sql, &[Text(account)]).await?;
        rows.into_iter()
            .map(|row| {
                let [name, query] = cells(row)?;
                Ok((name.text()?, query.text()?))
            })
            .collect()
    }

    async fn add_token(&self, digest: &str, token: &Token) -> Result<bool, StoreError> {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let (scopes, made) = (scopes.join(" "), Int(token.created_at.timestamp_micros()));
        let sql = "INSERT INTO console_tokens (token, name, scopes, created_at, used_at) \
            VALUES ($1, $2, $3, $4, 0) ON CONFLICT (name) DO NOTHING";
        self.changed(sql, &[Text(digest), Text(&token.name), Text(&scopes), made]).await
    }

    async fn token(&self, digest: &str) -> Result<Option<Token>, StoreError> {
        let sql = format!("SELECT {} FROM console_tokens WHERE token = $1", token::COLUMNS);
        self.read(&sql, &[Text(digest)]).await?.into_iter().next().map(token::token).transpose()
    }

    async fn touch_token(&self, digest: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        let sql = "UPDATE console_tokens SET used_at = $2 WHERE token = $1";
        self.write_one(sql, &[Text(digest), Int(at.timestamp_micros())]).await
    }

    async fn tokens(&self) -> Result<Vec<Token>, StoreError> {
        let sql = format!("SELECT {} FROM console_tokens ORDER BY name", token::COLUMNS);
        self.read(&sql, &[]).await?.into_iter().map(token::token).collect()
    }

    async fn revoke_token(&self, name: &str) -> Result<bool, StoreError> {
        self.changed("DELETE FROM console_tokens WHERE name = $1", &[Text(name)]).await
    }
}

impl<D: Database> SqlStore<D> {
    pub(super) async fn changed(&self, sql: &str, params: &[Param<'_>]) -> Result<bool, StoreError> {
        self.within(async {
            let mut link = self.database.write().await?;
            let changed = link.execute(sql, params).await?;
            link.commit().await?;
            Ok(changed > 0)
        })
        .await
    }
}

pub(super) fn written(account: &Account) -> [Param<'_>; 6] {
    [
        Text(&account.name),
        Text(account.role.as_str()),
        Text(&account.password),
        Int(account.disabled.into()),
        Text(&account.language),
        Int(account.created_at.timestamp_micros()),
    ]
}

pub(super) fn account(row: Vec<Cell>) -> Result<Account, StoreError> {
    let [name, role, password, disabled, language, created_at] = cells(row)?;
    let role = role.text()?;
    Ok(Account {
        name: name.text()?,
        role: Role::from_name(&role).ok_or_else(|| StoreError::Corrupt(format!("unknown role {role}")))?,
        password: password.text()?,
        disabled: disabled.int()? != 0,
        language: language.text()?,
        created_at: review::time(&created_at)?,
    })
}

/// Everything but the decision itself is as it was for the one it takes the place of.
const SUPERSEDING: &str = "INSERT INTO decisions (decision_id, message_id, decided_at, decision, interaction, before) \
    SELECT $1, message_id, $2, $3, interaction, before FROM decisions WHERE decision_id = $4 \
    ON CONFLICT (decision_id) DO NOTHING";

/// Writes a decision that takes another's place; false when another one has.
async fn supersede(
    link: &mut dyn Link,
    decision: &Decision,
    interaction: &Interaction,
) -> Result<bool, StoreError> {
    let (id, body) = (decision.decision_id.to_string(), sql::json(decision)?);
    let former = decision.supersedes.map(|id| id.to_string()).unwrap_or_default();
    let row = [Text(&id), Int(decision.decided_at.timestamp_micros()), Text(&body), Text(&former)];
    if link.execute(SUPERSEDING, &row).await? == 0 {
        return Ok(false);
    }
    // The conversation shows its latest message, at the time of that.
    let shown = "SELECT decided_at FROM review WHERE conversation_id = $1 AND message_id = $2";
    let shown = link.rows(shown, &[Text(&decision.conversation_id), Text(&decision.message_id)]).await?;
    if let Some(row) = shown.into_iter().next() {
        let [at] = cells(row)?;
        link.execute_each(&project(&Projection::of(decision, interaction).at(at.int()?))).await?;
    }
    Ok(true)
}

async fn add_note(link: &mut dyn Link, conversation: &str, note: &Note) -> Result<(), StoreError> {
    let id = Uuid::new_v4().to_string();
    let sql = "INSERT INTO review_notes (note_id, conversation_id, at, account, kind, text) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    let (at, kind) = (Int(note.at.timestamp_micros()), Text(note.act.as_str()));
    let row = [Text(&id), Text(conversation), at, Text(&note.account), kind, Text(&note.text)];
    link.execute(sql, &row).await?;
    let (sql, text) = match note.act {
        Act::Comment | Act::Correct => return Ok(()),
        Act::Assign => (
            "UPDATE review SET status = 'assigned', done = 0, assignee = $2 WHERE conversation_id = $1",
            Some(&note.text),
        ),
        Act::Resolve => ("UPDATE review SET status = 'resolved', done = 1 WHERE conversation_id = $1", None),
        Act::Reopen => ("UPDATE review SET status = 'reopened', done = 0 WHERE conversation_id = $1", None),
    };
    let params: Vec<_> = [Text(conversation)].into_iter().chain(text.map(|text| Text(text))).collect();
    link.execute(sql, &params).await?;
    Ok(())
}

/// Each with its latest revision.
const MESSAGES_OF: &str = "SELECT d.interaction, d.decision FROM review_messages r \
    JOIN decisions d ON d.message_id = r.message_id \
    WHERE r.conversation_id = $1 AND NOT EXISTS (SELECT 1 FROM decisions later \
        WHERE later.message_id = d.message_id AND later.decided_at > d.decided_at) \
    ORDER BY r.decided_at DESC, r.message_id DESC LIMIT $2";

const NOTES_OF: &str =
    "SELECT at, account, kind, text FROM review_notes WHERE conversation_id = $1 ORDER BY at, note_id";

const CORRECTIONS_OF: &str = "SELECT c.correction FROM review_messages r \
    JOIN corrections c ON c.message_id = r.message_id WHERE r.conversation_id = $1 \
    ORDER BY c.corrected_at, c.correction_id";

/// Conversations whose latest message is the same customer's, by whom a message is today.
const OTHERS_OF: &str = "FROM review WHERE conversation_id <> $1 AND message_id IN \
    (SELECT message_id FROM inbox WHERE customer IN \
        (SELECT i.customer FROM review r JOIN inbox i ON i.message_id = r.message_id WHERE r.conversation_id = $1)) \
    ORDER BY decided_at DESC, conversation_id LIMIT 50";

async fn reviewed(link: &mut dyn Link, conversation: &str) -> Result<Option<Reviewed>, StoreError> {
    let id = [Text(conversation)];
    let sql = format!("SELECT {COLUMNS} FROM review WHERE conversation_id = $1");
    let Some(item) = link.rows(&sql, &id).await?.into_iter().next() else { return Ok(None) };
    let item = review::item(item)?;
    let mut messages: Vec<(Interaction, Decision)> = link
        .rows(MESSAGES_OF, &[Text(conversation), Int(MESSAGES.into())])
        .await?
        .into_iter()
        .map(|row| {
            let [interaction, decision] = cells(row)?;
            Ok((parsed(interaction)?, parsed(decision)?))
        })
        .collect::<Result<_, StoreError>>()?;
    messages.sort_by_key(|(interaction, decision)| (interaction.sent_at, decision.decided_at));
    let notes = link.rows(NOTES_OF, &id).await?.into_iter().map(note).collect::<Result<_, _>>()?;
    let corrections = link.rows(CORRECTIONS_OF, &id).await?;
    let corrections = corrections
        .into_iter()
        .map(|row| cells(row).and_then(|[correction]| parsed(correction)))
        .collect::<Result<_, _>>()?;
    let others = link.rows(&format!("SELECT {COLUMNS} {OTHERS_OF}"), &id).await?;
    let others = others.into_iter().map(review::item).collect::<Result<_, _>>()?;
    Ok(Some(Reviewed { item, messages, notes, corrections, others }))
}

fn note(row: Vec<Cell>) -> Result<Note, StoreError> {
    let [at, account, kind, text] = cells(row)?;
    let kind = kind.text()?;
    let act = Act::from_name(&kind).ok_or_else(|| StoreError::Corrupt(format!("unknown note {kind}")))?;
    Ok(Note { at: review::time(&at)?, account: account.text()?, act, text: text.text()? })
}
