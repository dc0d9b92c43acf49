//! The seal keys that a database knows, as whoever owns it manages them. No secret comes out again.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use serde::Serialize;

use crate::error::Error;
use crate::seal::SealKey;

/// A key whose seals the database accepts, or did. Times are UTC, as RFC 3339 writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, QueryableByName)]
pub struct KnownSealKey {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub kid: String,
    /// Since when it is known.
    #[diesel(sql_type = Text)]
    pub since: String,
    /// Which role of the database made it known.
    #[diesel(sql_type = Text)]
    pub made_by: String,
    /// When its seals cease to be accepted; `None`: they go on.
    #[diesel(sql_type = Nullable<Text>)]
    pub until: Option<String>,
    /// Which role of the database set that end.
    #[diesel(sql_type = Nullable<Text>)]
    pub retired_by: Option<String>,
    /// Whether its seals are accepted now.
    #[diesel(sql_type = Bool)]
    pub accepted: bool,
    /// Whether a seal holds for one backend only.
    #[diesel(sql_type = Bool)]
    pub bound: bool,
}

/// Makes a seal key known to the database, for users, keys and jobs: its seals hold for one backend,
/// or for each where the key is [`unbound`](SealKey::unbound). Of a key that is known already only
/// that is changed: one that was retired stays so.
///
/// # Errors
/// [`Error::SealKeyTaken`] where the name is known with another secret; what the database answers.
pub fn register_seal_key(conn: &mut PgConnection, key: &SealKey) -> Result<(), Error> {
    let (inner, outer) = key.padded();
    let known = diesel::sql_query(REGISTER)
        .bind::<Text, _>(key.kid())
        .bind::<Binary, _>(inner.as_slice())
        .bind::<Binary, _>(outer.as_slice())
        .bind::<Bool, _>(key.is_bound())
        .execute(conn)?;
    if known == 0 {
        return Err(Error::SealKeyTaken {
            kid: key.kid().to_owned(),
        });
    }
    Ok(())
}

/// All seal keys that the database knows, the oldest first.
///
/// # Errors
/// What the database answers.
pub fn seal_keys(conn: &mut PgConnection) -> Result<Vec<KnownSealKey>, Error> {
    Ok(diesel::sql_query(LIST).load(conn)?)
}

/// Sets when a key ends: its seals are refused from `seconds` from now on. A key that has an end
/// already is given this one, so that what ended too early can be put right. `None`: the database
/// knows no such key.
///
/// # Errors
/// [`Error::LastSealKey`] where nothing would be accepted after that; what the database answers.
pub fn retire_seal_key(
    conn: &mut PgConnection,
    kid: &str,
    seconds: u32,
) -> Result<Option<KnownSealKey>, Error> {
    conn.transaction(|conn| {
        // Two at once shall not each spare the other's.
        conn.batch_execute("LOCK TABLE tenancy.seal_key IN SHARE ROW EXCLUSIVE MODE")?;
        let keys = seal_keys(conn)?;
        if !keys.iter().any(|key| key.kid == kid) {
            return Ok(None);
        }
        if !keys.iter().any(|key| key.kid != kid && key.until.is_none()) {
            return Err(Error::LastSealKey {
                kid: kid.to_owned(),
            });
        }
        diesel::sql_query(RETIRE)
            .bind::<Text, _>(kid)
            .bind::<BigInt, _>(i64::from(seconds))
            .execute(conn)?;
        Ok(seal_keys(conn)?.into_iter().find(|key| key.kid == kid))
    })
}

const REGISTER: &str = "INSERT INTO tenancy.seal_key AS known (kid, ipad, opad, bind_pid) \
    VALUES ($1, $2, $3, $4) ON CONFLICT (kid) DO UPDATE SET bind_pid = EXCLUDED.bind_pid \
    WHERE known.ipad = EXCLUDED.ipad AND known.opad = EXCLUDED.opad";

const LIST: &str = "SELECT kid, made_by, retired_by, bind_pid AS bound, \
    to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS since, \
    to_char(not_after AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS until, \
    (not_after > now()) IS NOT FALSE AS accepted \
    FROM tenancy.seal_key AS key ORDER BY key.since, kid";

const RETIRE: &str = "UPDATE tenancy.seal_key \
    SET not_after = now() + make_interval(secs => $2), retired_by = session_user \
    WHERE kid = $1";
