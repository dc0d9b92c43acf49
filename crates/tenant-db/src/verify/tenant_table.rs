//! The declaration of a tenant table: the arguments of `tenancy.protect`, and the exceptions from
//! its rules.

use super::catalog::{OWNER, strings};
use super::literal;
use crate::context::Role;

/// A table under `tenancy.protect`, with the arguments that it was given.
///
/// The owner is `rowhouse_owner`; the defaults are those of the SQL function: members write, no
/// door, column `tenant_id`, all four commands, all columns but the tenant's; every change leaves
/// an event that shows all values.
#[derive(Debug, Clone)]
pub struct TenantTable {
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) write_role: Role,
    pub(super) door: Option<String>,
    pub(super) tenant_column: String,
    pub(super) commands: Vec<String>,
    pub(super) update_columns: Option<Vec<String>>,
    pub(super) audited: bool,
    pub(super) redact: Vec<String>,
    pub(super) unaudited_columns: Vec<String>,
    pub(super) spanning_indexes: Vec<String>,
    pub(super) global_references: Vec<String>,
    pub(super) grants: Vec<(String, String)>,
    pub(super) blind_statistics: bool,
}

impl TenantTable {
    /// A table by schema and name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            owner: OWNER.to_owned(),
            write_role: Role::Member,
            door: None,
            tenant_column: "tenant_id".to_owned(),
            commands: strings(&["select", "insert", "update", "delete"]),
            update_columns: None,
            audited: true,
            redact: Vec::new(),
            unaudited_columns: Vec::new(),
            spanning_indexes: Vec::new(),
            global_references: Vec::new(),
            grants: Vec::new(),
            blind_statistics: false,
        }
    }

    /// The least role that writes.
    #[must_use]
    pub fn write_role(mut self, role: Role) -> Self {
        self.write_role = role;
        self
    }

    /// The role whose functions serve without a context.
    #[must_use]
    pub fn door(mut self, role: &str) -> Self {
        self.door = Some(role.to_owned());
        self
    }

    /// The column that names the tenant.
    #[must_use]
    pub fn tenant_column(mut self, column: &str) -> Self {
        self.tenant_column = column.to_owned();
        self
    }

    /// What the application may do: `select`, `insert`, `update`, `delete`.
    #[must_use]
    pub fn commands(mut self, commands: &[&str]) -> Self {
        self.commands = strings(commands);
        self
    }

    /// The columns that the application may change.
    #[must_use]
    pub fn update_columns(mut self, columns: &[&str]) -> Self {
        self.update_columns = Some(strings(columns));
        self
    }

    /// Columns whose values no event of the audit trail shows, such as hashes of secrets.
    #[must_use]
    pub fn redact(mut self, columns: &[&str]) -> Self {
        self.redact = strings(columns);
        self
    }

    /// Columns whose change alone leaves no event.
    #[must_use]
    pub fn unaudited_columns(mut self, columns: &[&str]) -> Self {
        self.unaudited_columns = strings(columns);
        self
    }

    /// No change leaves an event, for a stated reason: bookkeeping that no person did.
    #[must_use]
    pub fn unaudited(mut self) -> Self {
        self.audited = false;
        self
    }

    /// The owner, for a table of another role's functions.
    #[must_use]
    pub fn owner(mut self, role: &str) -> Self {
        self.owner = role.to_owned();
        self
    }

    /// Whether the application may write anything at all.
    pub(super) fn is_written(&self) -> bool {
        self.commands.iter().any(|command| command != "select")
    }

    /// Indexes that do not begin with the tenant column, each for a stated reason. A unique one
    /// tells a tenant what others have.
    #[must_use]
    pub fn spanning_indexes(mut self, indexes: &[&str]) -> Self {
        self.spanning_indexes = strings(indexes);
        self
    }

    /// Foreign keys to tables that belong to no tenant, by name. An application that may write
    /// their columns learns which rows exist there.
    #[must_use]
    pub fn global_references(mut self, constraints: &[&str]) -> Self {
        self.global_references = strings(constraints);
        self
    }

    /// Rights of a role beside the application, such as a door: `"SELECT, INSERT"`.
    #[must_use]
    pub fn grant(mut self, privileges: &str, role: &str) -> Self {
        self.grants.push((privileges.to_owned(), role.to_owned()));
        self
    }

    /// No statistics of its values are kept, which `EXPLAIN` would show of all tenants at once.
    #[must_use]
    pub fn blind_statistics(mut self) -> Self {
        self.blind_statistics = true;
        self
    }

    /// The call that makes all of it as it should be.
    pub(super) fn protect(&self) -> String {
        let mut call = format!(
            "SELECT tenancy.protect({}, write_role => '{}'",
            literal(&self.name),
            self.write_role
        );
        if let Some(door) = &self.door {
            call.push_str(&format!(", door => {}", literal(door)));
        }
        if self.tenant_column != "tenant_id" {
            call.push_str(&format!(
                ", tenant_column => {}",
                literal(&self.tenant_column)
            ));
        }
        call.push_str(&format!(", commands => '{{{}}}'", self.commands.join(",")));
        if let Some(columns) = &self.update_columns {
            call.push_str(&format!(", update_columns => '{{{}}}'", columns.join(",")));
        }
        if self.blind_statistics {
            call.push_str(", blind_statistics => true");
        }
        if !self.audited {
            call.push_str(", audit => false");
        }
        for (argument, columns) in [
            ("redact", &self.redact),
            ("unaudited", &self.unaudited_columns),
        ] {
            if !columns.is_empty() {
                call.push_str(&format!(", {argument} => '{{{}}}'", columns.join(",")));
            }
        }
        call.push_str(");");
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_of_protect_is_the_one_of_the_migration() {
        assert_eq!(
            TenantTable::new("public.notes").protect(),
            "SELECT tenancy.protect('public.notes', write_role => 'member', commands => '{select,insert,update,delete}');"
        );
        assert_eq!(
            TenantTable::new("public.t")
                .write_role(Role::Admin)
                .door("d")
                .tenant_column("id")
                .commands(&["select", "update"])
                .update_columns(&["a", "b"])
                .redact(&["b"])
                .unaudited_columns(&["c", "d"])
                .protect(),
            "SELECT tenancy.protect('public.t', write_role => 'admin', door => 'd', tenant_column => 'id', \
             commands => '{select,update}', update_columns => '{a,b}', redact => '{b}', unaudited => '{c,d}');"
        );
        assert_eq!(
            TenantTable::new("public.t")
                .commands(&[])
                .unaudited()
                .protect(),
            "SELECT tenancy.protect('public.t', write_role => 'member', commands => '{}', audit => false);"
        );
    }
}
