//! What the doctor found, for the console and for machines.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::level::Level;

/// One guard that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One of [`CODES`](crate::verify::CODES).
    pub code: &'static str,
    /// What it is about, as SQL names it.
    pub object: String,
    /// One sentence.
    pub message: String,
    /// SQL that mends it, for a superuser, or the database's owner where there is none. Where a decision comes first, all of its lines are
    /// comments.
    pub remedy: String,
}

/// What the level of a database leaves open: nothing to mend, and to be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is about, as SQL names it.
    pub object: String,
    /// One sentence.
    pub message: String,
}

/// The outcome of [`verify`](crate::verify::verify()).
///
/// `Display` is for people, `Serialize` for machines: `{level, clean, checked, findings,
/// warnings, notes}`.
#[derive(Debug, Clone)]
pub struct Report {
    level: Level,
    checked: BTreeMap<&'static str, usize>,
    findings: Vec<Finding>,
    warnings: Vec<Finding>,
    notes: Vec<Note>,
}

impl Report {
    pub(super) fn new(level: Level) -> Self {
        Self {
            level,
            checked: BTreeMap::new(),
            findings: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
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

    pub(super) fn note(&mut self, object: &str, message: impl Into<String>) {
        self.notes.push(Note {
            object: object.to_owned(),
            message: message.into(),
        });
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

    /// What the level leaves open; none at [`Level::Full`].
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
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
        let mut report = serializer.serialize_struct("Report", 6)?;
        report.serialize_field("level", &self.level)?;
        report.serialize_field("clean", &self.is_clean())?;
        report.serialize_field("checked", &self.checked)?;
        report.serialize_field("findings", &self.findings)?;
        report.serialize_field("warnings", &self.warnings)?;
        report.serialize_field("notes", &self.notes)?;
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
            .filter(|(_, number)| **number > 0)
            .map(|(noun, number)| format!("{number} {}", noun.replace('_', " ")))
            .collect();
        writeln!(f, ", level {}; {total} objects checked", self.level)?;
        writeln!(f, "({})", counts.join(", "))?;
        grouped(f, &self.findings)?;
        if !self.findings.is_empty() {
            writeln!(
                f,
                "\nThe SQL is for {}, from top to bottom. A line that begins with -- wants a decision first.",
                match self.level {
                    Level::Full => "a superuser",
                    Level::Managed => "the owner of the database",
                }
            )?;
        }
        if !self.warnings.is_empty() {
            writeln!(f, "\nWarnings, which may stay:")?;
            grouped(f, &self.warnings)?;
        }
        if !self.notes.is_empty() {
            writeln!(f, "\nLevel {} leaves this open:", self.level)?;
            for note in &self.notes {
                writeln!(f, "  {}: {}", note.object, note.message)?;
            }
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
        let mut of_object = findings
            .iter()
            .filter(|finding| finding.object == object)
            .peekable();
        while let Some(finding) = of_object.next() {
            writeln!(f, "  {}: {}", finding.code, finding.message)?;
            // One remedy often does for several.
            let next = of_object.peek();
            if next.is_some_and(|next| next.remedy == finding.remedy) {
                continue;
            }
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
            "guard_missing",
            "public.b",
            "It is not there.",
            "line one\nline two",
        );
        report.find(
            "policy_missing",
            "public.b",
            "Nor is it.",
            "line one\nline two",
        );
        report
    }

    #[test]
    fn findings_are_read_by_object() {
        assert_eq!(
            report().to_string(),
            "verify: 4 FINDINGS, level full; 15 objects checked\n\
             (12 policies, 3 tables)\n\
             \n\
             public.b\n\
             \x20 rls_disabled: It is off.\n\
             \x20   ALTER TABLE public.b …;\n\
             \x20 guard_missing: It is not there.\n\
             \x20 policy_missing: Nor is it.\n\
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
}
