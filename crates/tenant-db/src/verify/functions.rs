//! Functions: what they do, with whose rights, and where they look for names.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Text};

use super::catalog::Catalog;
use super::definition::definition;
use super::function::{Function, Rights};
use super::kernel::{ALLOWS_ALL, AUTHORIZE, SCRIPT, of_full};
use super::report::Report;
use crate::error::Error;

/// The only setting that a pinned function has.
const PINNED: &str = "search_path=pg_catalog, pg_temp";

pub(super) fn check(
    conn: &mut PgConnection,
    catalog: &Catalog,
    report: &mut Report,
) -> Result<(), Error> {
    let found: Vec<Found> = diesel::sql_query(FUNCTIONS).load(conn)?;
    for declared in &catalog.functions {
        match found.iter().find(|f| f.signature == declared.signature) {
            Some(found) => compare(declared, found, catalog, report),
            None => missing(declared, catalog, report),
        }
    }
    for function in &found {
        let Found {
            signature, definer, ..
        } = function;
        if catalog.functions.iter().all(|f| f.signature != *signature) {
            report.find(
                "function_unknown",
                signature,
                if *definer {
                    "The function is not declared, and runs with its owner's rights."
                } else {
                    "The function is not declared."
                },
                format!("-- declare it in the catalog, or: DROP FUNCTION {signature};"),
            );
        }
    }
    report.count("functions", found.len());
    Ok(())
}

/// The digest holds all that CREATE FUNCTION says, except what has a finding of its own: owner,
/// definer's rights, settings. A body in SQL's own syntax is kept parsed: PostgreSQL writes it
/// out.
const FUNCTIONS: &str = "
SELECT p.oid::regprocedure::text AS signature, quote_ident(r.rolname) AS owner, p.prosecdef AS definer,
    coalesce(p.proconfig, '{}') AS settings,
    encode(sha256(convert_to(
        concat_ws(' ', l.lanname, p.prokind, p.provolatile, p.proparallel, p.proisstrict::text, p.proleakproof::text,
            pg_get_function_arguments(p.oid), pg_get_function_result(p.oid))
        || E'\\n' || coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), 'UTF8')), 'hex') AS digest
FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384
    AND p.oid NOT IN (SELECT objid FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'e')
ORDER BY 1";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    signature: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Bool)]
    definer: bool,
    #[diesel(sql_type = Array<Text>)]
    settings: Vec<String>,
    #[diesel(sql_type = Text)]
    digest: String,
}

/// Made by its owner, so that it is PUBLIC's at no moment.
fn missing(declared: &Function, catalog: &Catalog, report: &mut Report) {
    let Function {
        signature, owner, ..
    } = declared;
    let object = format!("FUNCTION {signature}");
    let grants: String = catalog
        .grants
        .iter()
        .filter(|grant| grant.object == object)
        .map(|grant| format!("\nGRANT {} ON {object} TO {};", grant.privilege, grant.role))
        .collect();
    let remedy = match known_definition(catalog, signature) {
        Some(statement) => format!("SET ROLE {owner};\n{statement}\nRESET ROLE;{grants}"),
        None => format!("-- run the CREATE FUNCTION of {signature} as {owner}"),
    };
    report.find(
        "function_missing",
        signature,
        "The function is not there.",
        remedy,
    );
}

fn compare(declared: &Function, found: &Found, catalog: &Catalog, report: &mut Report) {
    let signature = &declared.signature;
    if found.digest != declared.digest {
        definition_differs(declared, found, catalog, report);
    } else if found.digest == ALLOWS_ALL {
        report.warn(
            "authorize_allows_all",
            signature,
            "Every actor whom a valid seal names is let in; no session and no membership is asked for.",
            "-- replace it by a function of yours, and declare that in the catalog",
        );
    }
    if found.owner != declared.owner {
        report.find(
            "owner",
            signature,
            format!(
                "The function belongs to {}, not to {}.",
                found.owner, declared.owner
            ),
            format!("ALTER FUNCTION {signature} OWNER TO {};", declared.owner),
        );
    }
    if found.definer != (declared.rights == Rights::Definer) {
        let (is, wanted) = if found.definer {
            ("its owner's", "INVOKER")
        } else {
            ("its caller's", "DEFINER")
        };
        report.find(
            "function_definer",
            signature,
            format!("The function runs with {is} rights."),
            format!("ALTER FUNCTION {signature} SECURITY {wanted};"),
        );
    }
    let wanted: &[&str] = if declared.pinned { &[PINNED] } else { &[] };
    if found.settings != wanted {
        let pin = if declared.pinned {
            format!("\nALTER FUNCTION {signature} SET search_path = pg_catalog, pg_temp;")
        } else {
            String::new()
        };
        report.find(
            "function_search_path",
            signature,
            format!(
                "The function sets {}, where it should set {}.",
                settings(&found.settings),
                settings(wanted)
            ),
            format!("ALTER FUNCTION {signature} RESET ALL;{pin}"),
        );
    }
}

fn settings<T: AsRef<str>>(settings: &[T]) -> String {
    let settings: Vec<&str> = settings.iter().map(AsRef::as_ref).collect();
    if settings.is_empty() {
        "nothing".to_owned()
    } else {
        settings.join("; ")
    }
}

fn definition_differs(declared: &Function, found: &Found, catalog: &Catalog, report: &mut Report) {
    let (code, message) = if found.digest == ALLOWS_ALL {
        (
            "authorize_allows_all",
            "Every actor whom a valid seal names is let in: the function is the one that is to be replaced.".to_owned(),
        )
    } else {
        (
            "function_definition",
            format!(
                "The function is not the one that this program knows: its digest is {}, not {}.",
                found.digest, declared.digest
            ),
        )
    };
    let signature = &declared.signature;
    let remedy = known_definition(catalog, signature).unwrap_or_else(|| {
        format!("-- run the CREATE OR REPLACE FUNCTION of {signature} again, or declare the one that is there")
    });
    report.find(code, signature, message, remedy);
}

/// The statement that makes the function as declared, where the catalog has it.
///
/// Never the `tenancy.authorize` that lets all in: who replaced it wants their own.
fn known_definition(catalog: &Catalog, signature: &str) -> Option<String> {
    let scripts: Vec<&str> = catalog
        .scripts
        .iter()
        .copied()
        .filter(|script| signature != AUTHORIZE || ![SCRIPT, of_full()].contains(script))
        .collect();
    definition(&scripts, signature)
}
