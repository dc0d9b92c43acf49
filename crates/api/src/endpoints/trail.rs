//! What the endpoints of the audit trail have in common: who, what, and when.

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::{Actor, Period};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{ApiError, FieldErrorCode};

/// What the API calls the rows of a table, where it is not the table's name.
const NAMES: [(&str, &str); 2] = [("memberships", "users"), ("tenants", "tenant")];

/// The longest type, and the longest id, of an object.
const MAX: usize = 200;

/// Who did something.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Actor)]
pub(crate) struct ActorView {
    /// `user`, `key`, `job` (of the server's own), `operator`, `system`, or `stranger`.
    #[schema(example = "user")]
    kind: String,
    /// Of a user the id that `/users` shows, of a key the one that `/api-keys` shows; `null` where
    /// nobody is known.
    #[schema(required, example = "01980e6f-a30b-7f0d-9a3c-5d2b8e41c07a")]
    id: Option<String>,
}

impl From<Actor> for ActorView {
    fn from(actor: Actor) -> Self {
        Self {
            kind: actor.kind,
            id: actor.id,
        }
    }
}

impl ActorView {
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

/// What something was done to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AuditObject)]
pub(crate) struct ObjectView {
    /// As in the path of its list: `projects`, `resources`, `users`, …
    #[schema(example = "projects")]
    r#type: String,
    #[schema(example = "01980e6f-a30b-7f0d-9a3c-5d2b8e41c07a")]
    id: String,
}

impl ObjectView {
    /// The row of a table.
    pub(crate) fn of_table(table: &str, id: String) -> Self {
        let name = NAMES.iter().find(|(of, _)| *of == table);
        Self {
            r#type: name.map_or(table, |(_, name)| name).to_owned(),
            id,
        }
    }

    /// What a route is about.
    pub(crate) fn of_route((kind, id): (String, Uuid)) -> Self {
        Self {
            r#type: kind,
            id: id.to_string(),
        }
    }

    pub(crate) fn kind(&self) -> &str {
        &self.r#type
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// The table behind what the API calls a type of objects.
pub(crate) fn table_of(object_type: &str) -> Result<String, ApiError> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    if object_type.is_empty() || object_type.len() > MAX || !object_type.bytes().all(is_word) {
        let detail = "must be a type of objects, such as projects";
        let code = FieldErrorCode::Invalid;
        return Err(ApiError::parameter("object_type", code, detail));
    }
    let known = NAMES.iter().find(|(_, name)| *name == object_type);
    Ok(known.map_or(object_type, |(table, _)| table).to_owned())
}

/// An object's id is a UUID nearly everywhere, and never long.
pub(crate) fn object_id(text: String) -> Result<String, ApiError> {
    if text.is_empty() || text.len() > MAX {
        let detail = format!("must have 1 to {MAX} bytes");
        let code = FieldErrorCode::Invalid;
        return Err(ApiError::parameter("object_id", code, detail));
    }
    // As the trail writes it.
    Ok(Uuid::try_parse(&text).map_or(text, |id| id.to_string()))
}

/// An actor's id.
pub(crate) fn actor(text: &str) -> Result<Uuid, ApiError> {
    Uuid::try_parse(text).map_err(|_| {
        let detail = "must be the id of a user or of an API key";
        ApiError::parameter("actor", FieldErrorCode::Invalid, detail)
    })
}

/// From the parameters `from` and `to`.
pub(crate) fn period(from: Option<&str>, to: Option<&str>) -> Result<Period, ApiError> {
    let from = from.map(|text| time("from", text)).transpose()?;
    let to = to.map(|text| time("to", text)).transpose()?;
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        let detail = "must be later than `from`";
        return Err(ApiError::parameter("to", FieldErrorCode::Invalid, detail));
    }
    Ok(Period { from, to })
}

fn time(name: &str, text: &str) -> Result<DateTime<Utc>, ApiError> {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.map(|time| time.to_utc()).map_err(|_| {
        let detail = "must be a time of RFC 3339, such as 2026-01-31T09:30:00Z (a + is %2B)";
        ApiError::parameter(name, FieldErrorCode::Invalid, detail)
    })
}
