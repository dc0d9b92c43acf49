//! How a program comes in: the keys behind a prefix, and when one was last used. Each is a single
//! statement, and so a single round trip.

use auth::{KeyPrincipal, KeySecret, PermissionSet, TenantClaim};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::declare_sql_function;
use diesel::prelude::*;
use diesel::sql_types;
use domain::Role;
use uuid::Uuid;

use super::IdentityDb;
use crate::error::{Error, unknown_word};

/// How old the note of a key's last use may become, in seconds.
const USE_NOTED_EVERY_SECONDS: i64 = 60;

#[declare_sql_function]
extern "SQL" {
    /// The door that finds the keys with a prefix; see the migration `api_keys`.
    #[sql_name = "directory.api_key"]
    fn api_key(prefix: sql_types::Text) -> Found;

    /// The door that notes a key's use.
    #[sql_name = "directory.note_key_use"]
    fn note_key_use(tenant: sql_types::Uuid, id: sql_types::Uuid) -> sql_types::Text;
}

/// The columns of `directory.api_key`.
type Found = sql_types::Record<(
    sql_types::Uuid,
    sql_types::Uuid,
    sql_types::Text,
    sql_types::Uuid,
    sql_types::Binary,
    sql_types::Text,
    sql_types::Integer,
    sql_types::Array<sql_types::Text>,
    sql_types::Nullable<sql_types::Timestamptz>,
)>;

type Row = (
    Uuid,
    Uuid,
    String,
    Uuid,
    Vec<u8>,
    String,
    i32,
    Vec<String>,
    Option<DateTime<Utc>>,
);

impl IdentityDb {
    /// Whom a key speaks for, as of now: it stands, has not expired, and its maker may still do
    /// all that it may. `None` otherwise, whatever the reason.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn find_key(
        &self,
        presented: &KeySecret,
        now: DateTime<Utc>,
    ) -> Result<Option<KeyPrincipal>, Error> {
        let (prefix, hash) = (presented.prefix().to_owned(), presented.hash());
        let rows = self
            .db
            .ask(move |conn| diesel::select(api_key(prefix.as_str())).load::<Row>(conn))
            .await?;
        // Other tenants may have keys with this prefix; the hash says which one is meant.
        let mut found = None;
        for row in rows {
            if hash.matches(&row.4) {
                found = Some(row);
            }
        }
        let Some((key, tenant, slug, maker, _, role, role_version, scopes, last_used)) = found
        else {
            return Ok(None);
        };
        let is_noted = last_used.is_some_and(|last_used| {
            now.signed_duration_since(last_used) < TimeDelta::seconds(USE_NOTED_EVERY_SECONDS)
        });
        if !is_noted {
            self.note_use(tenant, key).await;
        }
        let role: Role = role.parse().map_err(unknown_word)?;
        Ok(Some(KeyPrincipal {
            key: key.into(),
            maker: maker.into(),
            tenant: TenantClaim {
                id: tenant.into(),
                slug,
                role,
                role_version,
                custom_role: None,
            },
            scopes: PermissionSet::granted(scopes.iter().map(String::as_str), role),
        }))
    }

    /// That a note could not be made is no reason to turn somebody away.
    async fn note_use(&self, tenant: Uuid, key: Uuid) {
        let noted = self
            .db
            .ask(move |conn| diesel::select(note_key_use(tenant, key)).execute(conn))
            .await;
        if let Err(error) = noted {
            log::warn!(key_id = key.to_string(), error:% = error; "the use of an API key was not noted");
        }
    }
}
