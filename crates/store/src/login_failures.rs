//! Sign-ins that failed, or are being decided, reached by `rowhouse_auth` only.
//!
//! Whoever wants a password compared first takes a slot; there are as many for one address and
//! e-mail as may fail within the window. A failure keeps its slot until the window has passed, a
//! success gives all slots of its account back. So never more than the limit are compared, however
//! many come at once, and an e-mail that nobody has is refused as one that somebody has.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{
    BigInt, Binary, Bool, Inet, Integer, Nullable, Timestamptz, Uuid as SqlUuid,
};
use domain::AccountId;
use ipnet::{IpNet, Ipv6Net};
use sha2::{Digest as _, Sha256};

use crate::error::Error;

/// How many sign-ins may fail, and for how long each counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimit {
    /// How many within the window; at least 1.
    pub failures: u16,
    /// In minutes.
    pub window_minutes: u16,
}

/// Who tries: one address with one e-mail.
#[derive(Debug, Clone)]
pub struct Subject {
    address: IpNet,
    email_hash: [u8; 32],
}

/// A slot that was taken, to be given back or kept.
#[derive(Debug, Clone)]
pub struct Attempt {
    subject: Subject,
    slot: i32,
    at: DateTime<Utc>,
}

/// Whether a password may be compared.
#[derive(Debug, Clone)]
pub enum Admission {
    /// It may.
    Admitted(Attempt),
    /// Not now: as many as may fail are being compared at this moment, or somebody else was quicker.
    /// Ask again, in another transaction.
    Crowded,
    /// Too many have failed.
    Refused {
        /// When the next slot is free, in seconds; at least 1.
        retry_after_seconds: u64,
    },
}

impl Subject {
    /// `email` as the account spells it, or as it was given where it is no address. Of an IPv6
    /// address its /64 counts, which is what one household gets.
    #[must_use]
    pub fn new(address: IpAddr, email: &str) -> Self {
        Self {
            address: match address {
                IpAddr::V4(_) => address.into(),
                IpAddr::V6(address) => Ipv6Net::new(address, 64)
                    .map_or(IpNet::from(IpAddr::V6(address)), |network| {
                        network.trunc().into()
                    }),
            },
            email_hash: Sha256::digest(email).into(),
        }
    }
}

/// Takes a slot to compare this account's password, or nobody's.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn admit(
    conn: &mut PgConnection,
    subject: &Subject,
    account: Option<AccountId>,
    limit: LoginLimit,
) -> Result<Admission, Error> {
    if let Some(taken) = take(conn, subject, account, limit)? {
        return Ok(Admission::Admitted(Attempt {
            subject: subject.clone(),
            slot: taken.slot,
            at: taken.attempted_at,
        }));
    }
    let slots = look(conn, subject, limit)?;
    if slots.taken < i64::from(limit.failures) || slots.has_open {
        return Ok(Admission::Crowded);
    }
    Ok(Admission::Refused {
        retry_after_seconds: u64::try_from(slots.retry_after).unwrap_or(1).max(1),
    })
}

/// A slot that is free, any of them, as others are after one too. Of two that are after the same,
/// the second waits for the first and comes away with nothing, but with that row locked: it must
/// not be after another in the same transaction, where somebody who forgets them all holds it.
fn take(
    conn: &mut PgConnection,
    subject: &Subject,
    account: Option<AccountId>,
    limit: LoginLimit,
) -> Result<Option<TakenRow>, Error> {
    Ok(diesel::sql_query(
        "INSERT INTO login_failures AS f (address, email_hash, slot, account_id)
         SELECT $1, $2, s, $3 FROM generate_series(1, $4) AS s
         WHERE NOT EXISTS (
             SELECT FROM login_failures t WHERE t.address = $1 AND t.email_hash = $2 AND t.slot = s
                 AND t.attempted_at > now() - make_interval(mins => $5))
         ORDER BY random() LIMIT 1
         ON CONFLICT (address, email_hash, slot) DO UPDATE
         SET account_id = EXCLUDED.account_id, attempted_at = EXCLUDED.attempted_at, is_open = true
         WHERE f.attempted_at <= now() - make_interval(mins => $5)
         RETURNING slot, attempted_at",
    )
    .bind::<Inet, _>(subject.address)
    .bind::<Binary, _>(subject.email_hash.as_slice())
    .bind::<Nullable<SqlUuid>, _>(account.map(AccountId::uuid))
    .bind::<Integer, _>(i32::from(limit.failures))
    .bind::<Integer, _>(i32::from(limit.window_minutes))
    .get_result(conn)
    .optional()?)
}

/// What is open for longer than any comparison takes was given up by its client, and has failed.
fn look(conn: &mut PgConnection, subject: &Subject, limit: LoginLimit) -> Result<SlotsRow, Error> {
    Ok(diesel::sql_query(
        "SELECT count(*) AS taken,
             coalesce(bool_or(is_open AND attempted_at > now() - interval '30 seconds'), false) AS has_open,
             coalesce(ceil(extract(epoch FROM
                 min(attempted_at) + make_interval(mins => $4) - now())), 0)::bigint AS retry_after
         FROM login_failures
         WHERE address = $1 AND email_hash = $2 AND slot <= $3
             AND attempted_at > now() - make_interval(mins => $4)",
    )
    .bind::<Inet, _>(subject.address)
    .bind::<Binary, _>(subject.email_hash.as_slice())
    .bind::<Integer, _>(i32::from(limit.failures))
    .bind::<Integer, _>(i32::from(limit.window_minutes))
    .get_result(conn)?)
}

/// The sign-in has failed: its slot stays taken. What no window holds any more goes.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn keep(
    conn: &mut PgConnection,
    attempt: &Attempt,
    limit: LoginLimit,
) -> Result<(), Error> {
    diesel::sql_query(
        "UPDATE login_failures SET is_open = false
         WHERE address = $1 AND email_hash = $2 AND slot = $3 AND attempted_at = $4",
    )
    .bind::<Inet, _>(attempt.subject.address)
    .bind::<Binary, _>(attempt.subject.email_hash.as_slice())
    .bind::<Integer, _>(attempt.slot)
    .bind::<Timestamptz, _>(attempt.at)
    .execute(conn)?;
    diesel::sql_query(
        "DELETE FROM login_failures WHERE (address, email_hash, slot) IN (
             SELECT address, email_hash, slot FROM login_failures
             WHERE attempted_at <= now() - make_interval(mins => $1)
             LIMIT 100 FOR UPDATE SKIP LOCKED)",
    )
    .bind::<Integer, _>(i32::from(limit.window_minutes))
    .execute(conn)?;
    Ok(())
}

/// Nothing was found wrong, nor proved right: the slot is free again.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn give_back(conn: &mut PgConnection, attempt: &Attempt) -> Result<(), Error> {
    diesel::sql_query(
        "DELETE FROM login_failures
         WHERE address = $1 AND email_hash = $2 AND slot = $3 AND attempted_at = $4",
    )
    .bind::<Inet, _>(attempt.subject.address)
    .bind::<Binary, _>(attempt.subject.email_hash.as_slice())
    .bind::<Integer, _>(attempt.slot)
    .bind::<Timestamptz, _>(attempt.at)
    .execute(conn)?;
    Ok(())
}

/// The account's holder has proved who they are: the account's failures from here are forgotten, in
/// the order in which everybody forgets them.
///
/// # Errors
/// [`Error::Database`].
pub(crate) fn forget(
    conn: &mut PgConnection,
    attempt: &Attempt,
    account: AccountId,
) -> Result<(), Error> {
    diesel::sql_query(
        "DELETE FROM login_failures WHERE (address, email_hash, slot) IN (
             SELECT address, email_hash, slot FROM login_failures
             WHERE address = $1 AND email_hash = $2 AND account_id = $3
             ORDER BY slot FOR UPDATE)",
    )
    .bind::<Inet, _>(attempt.subject.address)
    .bind::<Binary, _>(attempt.subject.email_hash.as_slice())
    .bind::<SqlUuid, _>(account.uuid())
    .execute(conn)?;
    Ok(())
}

#[derive(QueryableByName)]
struct TakenRow {
    #[diesel(sql_type = Integer)]
    slot: i32,
    #[diesel(sql_type = Timestamptz)]
    attempted_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct SlotsRow {
    #[diesel(sql_type = BigInt)]
    taken: i64,
    #[diesel(sql_type = Bool)]
    has_open: bool,
    #[diesel(sql_type = BigInt)]
    retry_after: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_ipv6_address_the_network_counts() {
        let address = |text: &str| Subject::new(text.parse().unwrap(), "").address.to_string();
        assert_eq!(address("203.0.113.9"), "203.0.113.9/32");
        assert_eq!(address("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(address("2001:db8:1:2::1"), "2001:db8:1:2::/64");
        assert_ne!(address("2001:db8:1:3::1"), "2001:db8:1:2::/64");
    }
}
