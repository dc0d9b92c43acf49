//! A copy of a database's schema, without its rows, in the same cluster: where guards may be
//! broken. Dropped with its value.

use diesel::connection::SimpleConnection as _;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use tenant_db::verify::{self, Mutant, Mutation, Probing, Verdict};

use crate::connections::with_database;
use crate::error::Error;
use crate::{catalog, owner_db};

/// How the names of all of them begin: no database that somebody needs is called so.
pub const PREFIX: &str = "rowhouse_scratch_";

/// The copy, and the connection that drops it.
pub struct Scratch {
    admin: PgConnection,
    conn: Option<PgConnection>,
    name: String,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

impl Scratch {
    /// Makes a database beside the one of `url` from its dump (`pg_dump --schema-only`), and gives
    /// it what a dump does not carry: owner, rights on the database and on languages, settings.
    /// Those that an earlier run left behind are dropped first.
    ///
    /// # Errors
    /// [`Error::Database`]; the role is a superuser, or made the database and has CREATEDB.
    pub fn copy(url: &SecretString, dump: &str) -> Result<Self, Error> {
        let mut admin = owner_db::establish(url)?;
        for left in lines(&mut admin, LEFT_BEHIND)? {
            admin.batch_execute(&format!("DROP DATABASE IF EXISTS {left} WITH (FORCE)"))?;
        }
        let name = lines(&mut admin, NEW_NAME)?.concat();
        for line in lines(&mut admin, &NEW_DATABASE.replace("{scratch}", &name))? {
            admin.batch_execute(&line)?;
        }
        let mut scratch = Self {
            admin,
            conn: None,
            name,
        };
        scratch.fill(url, dump)?;
        Ok(scratch)
    }

    fn fill(&mut self, url: &SecretString, dump: &str) -> Result<(), Error> {
        let url = with_database(url, &self.name);
        let mut conn = owner_db::establish(&url)?;
        conn.batch_execute("SET lock_timeout = '60s'")?;
        for line in lines(&mut self.admin, MAKERS)? {
            conn.batch_execute(&line)?;
        }
        conn.batch_execute(&statements(dump))?;
        let rest = CARRIED_OVER.replace("{scratch}", &self.name);
        for line in lines(&mut self.admin, &rest)? {
            conn.batch_execute(&line)?;
        }
        // What sessions start with has changed.
        drop(conn);
        self.conn = Some(owner_db::establish(&url)?);
        Ok(())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What differs between the findings about the database and those about its copy: of a
    /// faithful one, nothing.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn difference(&mut self) -> Result<Vec<String>, Error> {
        let database = lines(
            &mut self.admin,
            "SELECT quote_ident(current_database()) AS line",
        )?
        .concat();
        let ours = findings(
            &verify::verify(&mut self.admin, &catalog::catalog())?,
            &database,
        );
        let name = self.name.clone();
        let theirs = findings(&verify::verify(self.conn()?, &catalog::catalog())?, &name);
        Ok(ours.symmetric_difference(&theirs).cloned().collect())
    }

    /// Every guard that can be broken in it.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn mutants(&mut self) -> Result<Vec<Mutant>, Error> {
        Ok(verify::mutants(self.conn()?, &catalog::catalog())?)
    }

    /// Breaks one after the other; see [`verify::mutate`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn mutate(
        &mut self,
        mutants: &[Mutant],
        after: impl FnMut(&Mutant, &Verdict) -> ControlFlow<()>,
    ) -> Result<Mutation, Error> {
        Ok(verify::mutate(
            self.conn()?,
            &catalog::catalog(),
            mutants,
            after,
        )?)
    }

    /// Sends canaries through the tenant tables that `chosen` names; see [`verify::probe`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn probe(&mut self, chosen: impl Fn(&str) -> bool) -> Result<Probing, Error> {
        Ok(verify::probe(self.conn()?, &catalog::catalog(), chosen)?)
    }

    fn conn(&mut self) -> Result<&mut PgConnection, Error> {
        self.conn.as_mut().ok_or(Error::NotFound)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.conn.take());
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        if let Err(error) = self.admin.batch_execute(&sql) {
            log::error!(database:% = self.name, error:% = error; "a scratch database was left behind; drop it");
        }
    }
}

/// Nobody has been in them, and their maker's process has gone: a maker keeps a session.
const LEFT_BEHIND: &str = "
SELECT quote_ident(d.datname) AS line FROM pg_database d
WHERE d.datname ~ '^rowhouse_scratch_[0-9]+_[0-9]+$'
    AND split_part(d.datname, '_', 3)::bigint < extract(epoch FROM now()) - 600
    AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)";

const NEW_NAME: &str = "SELECT format('rowhouse_scratch_%s_%s', extract(epoch FROM now())::bigint, pg_backend_pid()) AS line";

/// Of the same encoding and order, empty.
const NEW_DATABASE: &str = "
SELECT format('CREATE DATABASE {scratch} TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
    pg_encoding_to_char(encoding), datcollate, datctype) AS line
FROM pg_database WHERE datname = current_database()";

/// The dump makes everything and then gives it away; who is no superuser can give it only to those who
/// might have made it there themselves.
const MAKERS: &str = "
SELECT format('GRANT CREATE ON SCHEMA public TO %I', r.rolname) AS line
FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a JOIN pg_roles r ON r.oid = a.grantee
WHERE n.nspname = 'public' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner";

/// Statements for the copy, made from the database that is copied.
const CARRIED_OVER: &str = "
WITH database AS (SELECT * FROM pg_database WHERE datname = current_database()),
grantee (oid, name) AS (SELECT oid, quote_ident(rolname) FROM pg_roles UNION ALL SELECT 0, 'PUBLIC'),
line (position, line) AS (
    SELECT 1, format('ALTER DATABASE {scratch} OWNER TO %s', g.name) FROM database d JOIN grantee g ON g.oid = d.datdba
    UNION ALL SELECT 2, 'REVOKE ALL ON DATABASE {scratch} FROM PUBLIC'
    UNION ALL SELECT 3, format('GRANT %s ON DATABASE {scratch} TO %s%s', a.privilege_type, g.name,
            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM database d CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
        JOIN grantee g ON g.oid = a.grantee WHERE a.grantee <> d.datdba
    UNION ALL SELECT 4, 'ALTER DATABASE {scratch} IS_TEMPLATE true' FROM database WHERE datistemplate
    UNION ALL SELECT 5, format('REVOKE ALL ON LANGUAGE %I FROM PUBLIC', lanname) FROM pg_language WHERE lanpltrusted
    UNION ALL SELECT 6, format('GRANT USAGE ON LANGUAGE %I TO %s%s', l.lanname, g.name,
            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM pg_language l CROSS JOIN LATERAL aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) a
        JOIN grantee g ON g.oid = a.grantee WHERE l.lanpltrusted AND a.grantee <> l.lanowner
    UNION ALL SELECT 7, format('ALTER %s {scratch} SET %I = %L', CASE WHEN s.setrole = 0 THEN 'DATABASE'
            ELSE format('ROLE %s IN DATABASE', g.name) END,
            split_part(c.setting, '=', 1), substr(c.setting, strpos(c.setting, '=') + 1))
        FROM pg_db_role_setting s JOIN database d ON d.oid = s.setdatabase JOIN grantee g ON g.oid = s.setrole
        CROSS JOIN LATERAL unnest(s.setconfig) AS c (setting)
)
SELECT line FROM line ORDER BY position, line";

fn lines(conn: &mut PgConnection, query: &str) -> Result<Vec<String>, Error> {
    let lines: Vec<Line> = diesel::sql_query(query).load(conn)?;
    Ok(lines.into_iter().map(|line| line.line).collect())
}

/// A dump without what is for psql, and without a setting that older servers do not know.
fn statements(dump: &str) -> String {
    dump.lines()
        .filter(|line| {
            !line.starts_with("\\restrict ")
                && !line.starts_with("\\unrestrict ")
                && *line != "SET transaction_timeout = 0;"
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Codes and objects, the database by one name wherever it is.
fn findings(report: &verify::Report, database: &str) -> BTreeSet<String> {
    let name = format!("DATABASE {database}");
    report
        .findings()
        .iter()
        .map(|finding| {
            let object = finding.object.replace(&name, "DATABASE");
            format!("{object}: {}", finding.code)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn what_is_for_psql_alone_is_left_out() {
        assert_eq!(
            statements("\\restrict x\nSET transaction_timeout = 0;\nSELECT 1;\n\\unrestrict x\n"),
            "SELECT 1;"
        );
    }
}
