//! What the doctor found, for the console and for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

/// Every code of a [`Finding`], and what it means. Codes are never renamed.
pub const CODES: &[(&str, &str)] = &[
    (
        "authorize_allows_all",
        "tenancy.authorize lets in every actor whom a seal names",
    ),
    (
        "builtin_granted",
        "a built-in function or system table is open to somebody who must not use it",
    ),
    (
        "default_privileges",
        "objects that a role makes later would be open to others",
    ),
    (
        "foreign_key_action",
        "a foreign key does something else than CASCADE, RESTRICT or NO ACTION",
    ),
    (
        "foreign_key_not_enforced",
        "a foreign key is not checked, or not for all rows",
    ),
    (
        "foreign_key_plain",
        "a foreign key may point at another tenant's row",
    ),
    (
        "function_definer",
        "a function runs with the rights of somebody else than declared",
    ),
    (
        "function_definition",
        "a function is not the one that this program knows",
    ),
    ("function_missing", "a declared function is not there"),
    (
        "function_search_path",
        "a function's search_path is not pinned, or it sets something else",
    ),
    ("function_unknown", "a function is not declared"),
    ("grant_excess", "a role may do more than declared"),
    ("grant_missing", "a role may do less than declared"),
    ("grant_option", "a role may hand on a right"),
    (
        "guard_changed",
        "the restrictive policy of a tenant table is not as tenancy.protect made it",
    ),
    (
        "guard_missing",
        "the restrictive policy of a tenant table is not there",
    ),
    (
        "index_invalid",
        "an index is not valid: it holds nothing together",
    ),
    (
        "index_order",
        "an index of a tenant table does not begin with the tenant column",
    ),
    (
        "inheritance",
        "a table is a partition, a child or a parent of another",
    ),
    (
        "object_unknown",
        "an object of a kind that can carry code or rows is not declared",
    ),
    ("owner", "an object belongs to somebody else than declared"),
    (
        "parameter_grant",
        "a role may write a parameter of the server, such as the slot of the context",
    ),
    (
        "policy_changed",
        "a policy is not as tenancy.protect made it",
    ),
    ("policy_missing", "a policy of a tenant table is not there"),
    ("policy_unknown", "a policy was not made by tenancy.protect"),
    (
        "primary_key",
        "a tenant table has no primary key that begins with the tenant column",
    ),
    ("rls_disabled", "Row-Level Security is off"),
    (
        "rls_not_forced",
        "Row-Level Security does not bind the table's owner",
    ),
    (
        "role_attributes",
        "a role may do more, or less, than its part needs",
    ),
    ("role_membership", "a role belongs to another one"),
    ("role_missing", "a declared role is not there"),
    (
        "role_outside",
        "a role that is not declared has power over the whole cluster",
    ),
    (
        "role_setting",
        "a declared role carries settings into its sessions",
    ),
    ("rule", "a table or view has a rewrite rule"),
    ("schema_missing", "a declared schema is not there"),
    ("schema_unknown", "a schema is not declared"),
    ("sequence_unknown", "a sequence is not declared"),
    (
        "setting",
        "a parameter has a value that the isolation cannot live with",
    ),
    ("table_missing", "a declared table is not there"),
    ("table_unknown", "a table is not declared"),
    ("tenant_column", "the tenant column is not uuid NOT NULL"),
    ("trigger_changed", "a trigger is not as declared"),
    ("trigger_disabled", "a trigger does not fire"),
    ("trigger_missing", "a declared trigger is not there"),
    ("trigger_unknown", "a trigger is not declared"),
    ("unique_key", "a unique key of a tenant table spans tenants"),
    ("view_not_invoker", "a view reads with its owner's rights"),
    (
        "view_unknown",
        "a view or materialized view is not declared",
    ),
];

/// How much the database itself can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Level {
    /// A superuser made the roles: the context is in the guarded slot, and built-ins that reach
    /// beyond a tenant are revoked.
    Full,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
        }
    }
}

/// One guard that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One of [`CODES`].
    pub code: &'static str,
    /// What it is about, as SQL names it.
    pub object: String,
    /// One sentence.
    pub message: String,
    /// SQL for a superuser that mends it. Where a decision comes first, all of its lines are
    /// comments.
    pub remedy: String,
}

/// The outcome of [`verify`](crate::verify::verify()).
///
/// `Display` is for people, `Serialize` for machines: `{level, clean, checked, findings,
/// warnings}`.
#[derive(Debug, Clone)]
pub struct Report {
    level: Level,
    checked: BTreeMap<&'static str, usize>,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(level: Level) -> Self {
        Self {
            level,
            checked: BTreeMap::new(),
            findings: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, noun: &'static str, number: usize) {
        *self.checked.entry(noun).or_default() += number;
    }

    pub(super) fn find(
        &mut self,
        code: &'static str,
        object: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(finding(code, object, message, remedy));
    }

    pub(super) fn warn(
        &mut self,
        code: &'static str,
        object: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.warnings.push(finding(code, object, message, remedy));
    }

    /// Whether there is no finding. Warnings do not count.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// How much this kind of database can hold at all.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// How many objects of each kind were looked at.
    #[must_use]
    pub fn checked(&self) -> &BTreeMap<&'static str, usize> {
        &self.checked
    }

    /// What must be mended, in an order in which it can be.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What a reader should know and may leave as it is.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }
}

fn finding(
    code: &'static str,
    object: &str,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        code,
        object: object.to_owned(),
        message: message.into(),
        remedy: remedy.into(),
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 5)?;
        report.serialize_field("level", &self.level)?;
        report.serialize_field("clean", &self.is_clean())?;
        report.serialize_field("checked", &self.checked)?;
        report.serialize_field("findings", &self.findings)?;
        report.serialize_field("warnings", &self.warnings)?;
        report.end()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.findings.len() {
            0 => write!(f, "verify: clean")?,
            1 => write!(f, "verify: 1 FINDING")?,
            n => write!(f, "verify: {n} FINDINGS")?,
        }
        let total: usize = self.checked.values().sum();
        let counts: Vec<String> = self
            .checked
            .iter()
            .map(|(noun, number)| format!("{number} {noun}"))
            .collect();
        writeln!(f, ", level {}; {total} objects checked", self.level)?;
        writeln!(f, "({})", counts.join(", "))?;
        grouped(f, &self.findings)?;
        if !self.findings.is_empty() {
            writeln!(
                f,
                "\nThe SQL is for a superuser, from top to bottom. A line that begins with -- wants a decision first."
            )?;
        }
        if !self.warnings.is_empty() {
            writeln!(f, "\nWarnings, which may stay:")?;
            grouped(f, &self.warnings)?;
        }
        Ok(())
    }
}

/// Findings under the name of their object, in the order of its first one.
fn grouped(f: &mut fmt::Formatter<'_>, findings: &[Finding]) -> fmt::Result {
    let mut objects: Vec<&str> = Vec::new();
    for finding in findings {
        if !objects.contains(&finding.object.as_str()) {
            objects.push(&finding.object);
        }
    }
    for object in objects {
        writeln!(f, "\n{object}")?;
        for finding in findings.iter().filter(|finding| finding.object == object) {
            writeln!(f, "  {}: {}", finding.code, finding.message)?;
            for line in finding.remedy.lines() {
                writeln!(f, "    {line}")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new(Level::Full);
        report.count("policies", 12);
        report.count("tables", 3);
        report.find(
            "rls_disabled",
            "public.b",
            "It is off.",
            "ALTER TABLE public.b …;",
        );
        report.find(
            "owner",
            "public.a",
            "It belongs to rowhouse_app.",
            "ALTER TABLE public.a …;",
        );
        report.find(
            "rls_not_forced",
            "public.b",
            "It is not forced.",
            "line one\nline two",
        );
        report
    }

    #[test]
    fn findings_are_read_by_object() {
        assert_eq!(
            report().to_string(),
            "verify: 3 FINDINGS, level full; 15 objects checked\n\
             (12 policies, 3 tables)\n\
             \n\
             public.b\n\
             \x20 rls_disabled: It is off.\n\
             \x20   ALTER TABLE public.b …;\n\
             \x20 rls_not_forced: It is not forced.\n\
             \x20   line one\n\
             \x20   line two\n\
             \n\
             public.a\n\
             \x20 owner: It belongs to rowhouse_app.\n\
             \x20   ALTER TABLE public.a …;\n\
             \n\
             The SQL is for a superuser, from top to bottom. A line that begins with -- wants a decision first.\n"
        );
    }

    #[test]
    fn a_clean_report_is_two_lines_and_warnings_keep_it_clean() {
        let mut report = Report::new(Level::Full);
        report.count("tables", 3);
        assert_eq!(
            report.to_string(),
            "verify: clean, level full; 3 objects checked\n(3 tables)\n"
        );
        report.warn("role_outside", "backup", "It has power.", "-- know it");
        assert!(report.is_clean());
        assert!(report.to_string().ends_with(
            "\nWarnings, which may stay:\n\nbackup\n  role_outside: It has power.\n    -- know it\n"
        ));
    }

    #[test]
    fn codes_are_sorted_and_each_stands_once() {
        assert!(CODES.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
