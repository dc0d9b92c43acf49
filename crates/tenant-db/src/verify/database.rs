//! The database itself: who owns it, and who could copy it.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::catalog::{Catalog, OWNER};
use super::report::Report;
use crate::error::Error;
use crate::level::Level;

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let database: Database = diesel::sql_query(DATABASE).get_result(conn)?;
    database.judge(catalog, report);
    Ok(())
}

const DATABASE: &str = "
SELECT quote_ident(d.datname) AS name, quote_ident(r.rolname) AS owner, r.rolsuper AS superuser,
    d.datistemplate AS template
FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = current_database()";

#[derive(QueryableByName)]
struct Database {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Bool)]
    superuser: bool,
    #[diesel(sql_type = Bool)]
    template: bool,
}

impl Database {
    fn judge(&self, catalog: &Catalog, report: &mut Report) {
        let Self { name, owner, .. } = self;
        let object = format!("DATABASE {name}");
        if self.template {
            report.find(
                "database_template",
                &object,
                "The database is a template: any role with CREATEDB may copy it and read the copy.",
                format!("ALTER DATABASE {name} IS_TEMPLATE false;"),
            );
        }
        if owner == OWNER || self.superuser {
            return;
        }
        if catalog.find_role(owner).is_some() {
            report.find(
                "owner",
                &object,
                format!("The database belongs to {owner}, which could drop every table in it."),
                format!("ALTER DATABASE {name} OWNER TO {OWNER};"),
            );
        } else if report.level() == Level::Full {
            report.warn(
                "role_outside",
                &object,
                format!(
                    "The database belongs to {owner}, no superuser, which could drop every table in it."
                ),
                "-- know who holds it",
            );
        }
    }
}
