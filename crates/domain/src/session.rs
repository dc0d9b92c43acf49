//! A session: one sign-in of one person, from login to logout. Its tokens are `auth`'s matter.

use chrono::{DateTime, Utc};
use std::net::IpAddr;

use crate::SessionId;

/// A live session as its account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What the client called itself when it signed in.
    pub device: Option<String>,
    /// Where it was last refreshed from, or signed in from.
    pub address: Option<IpAddr>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was last given a token.
    pub last_used_at: DateTime<Utc>,
}
