//! Accounts of people for whom an OpenID Connect provider vouches.

use chrono::Utc;

use super::sql::{ACCOUNT, account, written};
use super::{Account, Identity, Role};
use crate::store::StoreError;
use crate::store::link::Link;
use crate::store::link::Param::Text;

const ADD: &str = "INSERT INTO console_accounts (account, role, password, disabled, language, created_at) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account) DO NOTHING";

const BIND: &str = "INSERT INTO console_identities (issuer, subject, account) VALUES ($1, $2, $3) \
    ON CONFLICT (issuer, subject) DO NOTHING";

/// [`ConsoleStore::admit`](super::ConsoleStore::admit); without an account the transaction has to be undone.
pub(super) async fn admit(
    link: &mut dyn Link,
    identity: &Identity,
    name: &str,
    role: Role,
) -> Result<Option<Account>, StoreError> {
    if let Some(mut known) = known(link, identity).await? {
        if !known.disabled && known.role != role {
            let sql = "UPDATE console_accounts SET role = $2 WHERE account = $1";
            link.execute(sql, &[Text(&known.name), Text(role.as_str())]).await?;
            known.role = role;
        }
        return Ok(Some(known));
    }
    let new = Account {
        name: name.to_owned(),
        role,
        password: String::new(),
        disabled: false,
        language: String::new(),
        created_at: Utc::now(),
    };
    if link.execute(ADD, &written(&new)).await? == 0 {
        return Ok(None);
    }
    link.execute(BIND, &[Text(&identity.issuer), Text(&identity.subject), Text(name)]).await?;
    Ok(Some(new))
}

async fn known(link: &mut dyn Link, identity: &Identity) -> Result<Option<Account>, StoreError> {
    let sql = format!(
        "SELECT {ACCOUNT} FROM console_accounts WHERE account IN \
            (SELECT account FROM console_identities WHERE issuer = $1 AND subject = $2)"
    );
    let rows = link.rows(&sql, &[Text(&identity.issuer), Text(&identity.subject)]).await?;
    rows.into_iter().next().map(account).transpose()
}
