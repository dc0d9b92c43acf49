//! The passwords of the roles that log in. Roles are the cluster's: what is written here for one
//! database counts for all that use them, so nothing is replaced that nobody asked to replace.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use secrecy::{ExposeSecret as _, SecretString};
use tenant_db::Level;

use crate::connections::with_role;
use crate::error::Error;
use crate::owner_db::establish;

/// The passwords of the roles that log in.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// Of `rowhouse_app`.
    pub app: RolePassword,
    /// Of `rowhouse_auth`.
    pub auth: RolePassword,
    /// Of `rowhouse_ops`.
    pub ops: RolePassword,
}

/// One role's password, and who chose it.
#[derive(Debug, Clone)]
pub enum RolePassword {
    /// An administrator, in the settings: it replaces another one.
    Configured(SecretString),
    /// Nobody: it was generated. It is given to a role that has none, and replaces none.
    Generated(SecretString),
}

impl RolePassword {
    /// The password.
    #[must_use]
    pub fn secret(&self) -> &SecretString {
        match self {
            Self::Configured(secret) | Self::Generated(secret) => secret,
        }
    }

    fn configured(self) -> Self {
        match self {
            Self::Configured(secret) | Self::Generated(secret) => Self::Configured(secret),
        }
    }
}

impl Passwords {
    /// The same for a cluster that belongs to the home in which they were generated: nobody else
    /// has others, whatever the cluster says.
    #[must_use]
    pub fn of_own_cluster(self) -> Self {
        Self {
            app: self.app.configured(),
            auth: self.auth.configured(),
            ops: self.ops.configured(),
        }
    }

    fn of_roles(&self) -> [(&'static str, &RolePassword); 3] {
        [
            ("rowhouse_app", &self.app),
            ("rowhouse_auth", &self.auth),
            ("rowhouse_ops", &self.ops),
        ]
    }
}

/// The roles of ours that the cluster has already.
pub(super) fn present(conn: &mut PgConnection) -> Result<Vec<String>, Error> {
    #[derive(QueryableByName)]
    struct Role {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let roles: Vec<Role> = diesel::sql_query(
        "SELECT rolname::text AS name FROM pg_catalog.pg_roles WHERE rolname LIKE 'rowhouse\\_%'",
    )
    .load(conn)?;
    Ok(roles.into_iter().map(|role| role.name).collect())
}

/// Writes them; answers the roles whose password was another one. `before`: the roles that somebody
/// else had made. All or none: the caller's transaction sees to it.
pub(super) fn write(
    conn: &mut PgConnection,
    passwords: &Passwords,
    url: &SecretString,
    before: &[String],
) -> Result<Vec<&'static str>, Error> {
    // Two at once, of two databases, would fail. This waits for the other, in the whole cluster.
    conn.batch_execute("COMMENT ON ROLE rowhouse_app IS 'logs in for the rows of tenants'")?;
    let mut replaced = Vec::new();
    for (role, password) in passwords.of_roles() {
        let kept = if before.iter().any(|name| name == role) {
            kept(conn, role, password.secret(), url)?
        } else {
            Kept::Nothing
        };
        match (kept, password) {
            (Kept::Nothing, _) | (Kept::Perhaps, RolePassword::Configured(_)) => {}
            (Kept::This, _) | (Kept::Perhaps, RolePassword::Generated(_)) => continue,
            (Kept::Another, RolePassword::Configured(_)) => replaced.push(role),
            (Kept::Another, RolePassword::Generated(_)) => {
                return Err(Error::PasswordKept { role });
            }
        }
        set(conn, role, password.secret())?;
    }
    Ok(replaced)
}

/// What the cluster has as a role's password.
enum Kept {
    Nothing,
    This,
    Another,
    /// It lets the role in with it, which it may do with any.
    Perhaps,
}

/// A superuser reads what is kept; nobody else may, and tries.
fn kept(
    conn: &mut PgConnection,
    role: &str,
    password: &SecretString,
    url: &SecretString,
) -> Result<Kept, Error> {
    if Level::of_role(conn)? != Level::Full {
        let tried = establish(&with_role(url, role, password));
        return Ok(if tried.is_ok() {
            Kept::Perhaps
        } else {
            Kept::Another
        });
    }
    #[derive(QueryableByName)]
    struct Verifier {
        #[diesel(sql_type = Nullable<Text>)]
        verifier: Option<String>,
        #[diesel(sql_type = Nullable<Bool>)]
        is_md5: Option<bool>,
    }
    let found: Verifier = diesel::sql_query(
        "SELECT rolpassword AS verifier, rolpassword = 'md5' || md5($2 || $1) AS is_md5
         FROM pg_catalog.pg_authid WHERE rolname = $1",
    )
    .bind::<Text, _>(role)
    .bind::<Text, _>(password.expose_secret())
    .get_result(conn)?;
    let Some(verifier) = found.verifier else {
        return Ok(Kept::Nothing);
    };
    let is_this = found.is_md5 == Some(true) || auth::is_password_of(&verifier, password);
    Ok(if is_this { Kept::This } else { Kept::Another })
}

#[derive(QueryableByName)]
struct Statement {
    #[diesel(sql_type = Text)]
    sql: String,
}

fn set(conn: &mut PgConnection, role: &str, password: &SecretString) -> Result<(), Error> {
    // ALTER ROLE takes no parameters: PostgreSQL itself quotes the literal.
    let statement: Statement =
        diesel::sql_query("SELECT format('ALTER ROLE %I PASSWORD %L', $1, $2) AS sql")
            .bind::<Text, _>(role)
            .bind::<Text, _>(password.expose_secret())
            .get_result(conn)?;
    conn.batch_execute(&statement.sql)?;
    Ok(())
}
