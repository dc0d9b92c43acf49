//! What a database should be: the declarations that [`verify`](crate::verify::verify()) compares
//! with what is there. No query and no judgement.

use std::collections::BTreeSet;

use super::copies::PrivateCopy;
use super::function::Function;
use super::kernel;
use super::keys::{Index, Key};
use super::tenant_table::TenantTable;

/// The role that [`TenantDb`](crate::TenantDb) logs in as.
pub(super) const APP: &str = "rowhouse_app";
/// The role that owns every table.
pub(super) const OWNER: &str = "rowhouse_owner";

/// All that may be in a database. What is not declared here is a finding.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub(super) roles: Vec<DeclaredRole>,
    pub(super) schemas: Vec<Owned>,
    pub(super) tenant_tables: Vec<TenantTable>,
    pub(super) tables: Vec<Table>,
    pub(super) views: Vec<Owned>,
    pub(super) sequences: Vec<Owned>,
    pub(super) functions: Vec<Function>,
    pub(super) triggers: Vec<Trigger>,
    pub(super) keys: Vec<Key>,
    pub(super) indexes: Vec<Index>,
    pub(super) copies: Vec<PrivateCopy>,
    pub(super) objects: Vec<(String, String)>,
    pub(super) grants: BTreeSet<Grant>,
    pub(super) scripts: Vec<&'static str>,
}

/// A role of the cluster, and what it is for.
#[derive(Debug, Clone)]
pub(super) struct DeclaredRole {
    pub(super) name: String,
    pub(super) part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Owns the tables; policies do not bind it.
    Owner,
    /// Owns functions that run with its rights.
    Definer,
    /// Logs in at run time.
    Login,
}

/// A named object and the role that owns it.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub(super) name: String,
    pub(super) owner: String,
}

/// A right, in the words of GRANT: `UPDATE (name)`, `TABLE public.t`, `rowhouse_app`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Grant {
    pub(super) object: String,
    pub(super) role: String,
    pub(super) privilege: String,
}

/// A trigger, in the parts of its CREATE TRIGGER.
#[derive(Debug, Clone)]
pub(super) struct Trigger {
    pub(super) table: String,
    pub(super) name: String,
    event: String,
    action: String,
}

impl Trigger {
    /// As `pg_get_triggerdef` writes it.
    pub(super) fn definition(&self) -> String {
        let Self {
            table,
            name,
            event,
            action,
        } = self;
        format!("CREATE TRIGGER {name} {event} ON {table} {action}")
    }
}

impl Catalog {
    /// What tenant-db itself brings: its roles, the schema `tenancy`, what PUBLIC lost.
    #[must_use]
    pub fn new() -> Self {
        kernel::catalog()
    }

    pub(super) fn empty() -> Self {
        Self {
            roles: Vec::new(),
            schemas: Vec::new(),
            tenant_tables: Vec::new(),
            tables: Vec::new(),
            views: Vec::new(),
            sequences: Vec::new(),
            functions: Vec::new(),
            triggers: Vec::new(),
            keys: Vec::new(),
            indexes: Vec::new(),
            copies: Vec::new(),
            objects: Vec::new(),
            grants: BTreeSet::new(),
            scripts: Vec::new(),
        }
    }

    /// A role that a service logs in as. It bypasses nothing and belongs to no other role.
    #[must_use]
    pub fn login_role(self, name: &str) -> Self {
        self.role(name, Part::Login)
    }

    /// A role that never logs in and owns SECURITY DEFINER functions, such as a door.
    #[must_use]
    pub fn definer_role(self, name: &str) -> Self {
        self.role(name, Part::Definer)
    }

    pub(super) fn role(mut self, name: &str, part: Part) -> Self {
        self.roles.push(DeclaredRole {
            name: name.to_owned(),
            part,
        });
        self
    }

    /// A schema and its owner.
    #[must_use]
    pub fn schema(mut self, name: &str, owner: &str) -> Self {
        self.schemas.push(owned(name, owner));
        self
    }

    /// A table under `tenancy.protect`.
    #[must_use]
    pub fn tenant_table(mut self, mut table: TenantTable) -> Self {
        for (privileges, role) in std::mem::take(&mut table.grants) {
            self = self.grant(&privileges, &format!("TABLE {}", table.name), &role);
        }
        self.tenant_tables.push(table);
        self
    }

    /// A table that belongs to no tenant.
    #[must_use]
    pub fn table(mut self, mut table: Table) -> Self {
        for (privileges, role) in std::mem::take(&mut table.grants) {
            self = self.grant(&privileges, &format!("TABLE {}", table.name), &role);
        }
        self.tables.push(table);
        self
    }

    /// A view; it must have `security_invoker`.
    #[must_use]
    pub fn view(mut self, name: &str, owner: &str) -> Self {
        self.views.push(owned(name, owner));
        self
    }

    /// A sequence.
    #[must_use]
    pub fn sequence(mut self, name: &str, owner: &str) -> Self {
        self.sequences.push(owned(name, owner));
        self
    }

    /// A function. One that is declared already is replaced: so a service declares its own
    /// `tenancy.authorize`.
    #[must_use]
    pub fn function(mut self, mut function: Function) -> Self {
        for role in std::mem::take(&mut function.callers) {
            self = self.grant(
                "EXECUTE",
                &format!("FUNCTION {}", function.signature),
                &role,
            );
        }
        self.functions
            .retain(|known| known.signature != function.signature);
        self.functions.push(function);
        self
    }

    /// A trigger: `CREATE TRIGGER {name} {event} ON {table} {action}`, as `pg_get_triggerdef`
    /// writes it. That of `tenancy.protect` needs no declaration.
    #[must_use]
    pub fn trigger(mut self, table: &str, name: &str, event: &str, action: &str) -> Self {
        self.triggers.push(Trigger {
            table: table.to_owned(),
            name: name.to_owned(),
            event: event.to_owned(),
            action: action.to_owned(),
        });
        self
    }

    /// A key that must not be missed, as `pg_get_constraintdef` writes it: `FOREIGN KEY (tenant_id, project_id)
    /// REFERENCES public.projects(tenant_id, id) ON DELETE CASCADE`, `UNIQUE (tenant_id, name)`, or the primary
    /// key of a table of no tenant. One that is not declared is no finding while it crosses no tenant; nor is it
    /// one when it is dropped.
    #[must_use]
    pub fn key(mut self, table: &str, name: &str, definition: &str) -> Self {
        self.keys.push(Key {
            table: table.to_owned(),
            name: name.to_owned(),
            definition: definition.to_owned(),
        });
        self
    }

    /// An index that must not be missed, because queries rely on it; its columns are what `pg_get_indexdef` writes
    /// behind `USING`: `btree (tenant_id, name)`.
    #[must_use]
    pub fn index(self, table: &str, name: &str, columns: &str) -> Self {
        self.declare_index(table, name, columns, false)
    }

    /// A unique index that is no key: `btree (tenant_id, email) WHERE (removed_at IS NULL)`.
    #[must_use]
    pub fn unique_index(self, table: &str, name: &str, columns: &str) -> Self {
        self.declare_index(table, name, columns, true)
    }

    fn declare_index(mut self, table: &str, name: &str, columns: &str, unique: bool) -> Self {
        self.indexes.push(Index {
            table: table.to_owned(),
            name: name.to_owned(),
            unique,
            columns: columns.to_owned(),
        });
        self
    }

    /// A table that triggers keep from another one: its rows are compared by
    /// [`verify_with_rows`](crate::verify::verify_with_rows).
    #[must_use]
    pub fn private_copy(mut self, copy: PrivateCopy) -> Self {
        self.copies.push(copy);
        self
    }

    /// Any other object, by kind and name as `pg_identify_object` has them: `("type",
    /// "public.mood")`, `("extension", "citext")`.
    #[must_use]
    pub fn object(mut self, kind: &str, name: &str) -> Self {
        self.objects.push((kind.to_owned(), name.to_owned()));
        self
    }

    /// Rights beyond those that follow from a declaration, in the words of GRANT: `"SELECT,
    /// UPDATE (name)"`, `"TABLE public.t"`. `"DATABASE"` is the database at hand.
    #[must_use]
    pub fn grant(mut self, privileges: &str, object: &str, role: &str) -> Self {
        for privilege in single_privileges(privileges) {
            self.grants.insert(Grant {
                object: object.to_owned(),
                role: role.to_owned(),
                privilege,
            });
        }
        self
    }

    /// SQL in which functions are defined, oldest first: a finding about a function then shows
    /// its definition. Usually `include_str!` of the migrations.
    #[must_use]
    pub fn script(mut self, sql: &'static str) -> Self {
        self.scripts.push(sql);
        self
    }

    pub(super) fn find_role(&self, name: &str) -> Option<&DeclaredRole> {
        self.roles.iter().find(|role| role.name == name)
    }

    pub(super) fn find_tenant_table(&self, name: &str) -> Option<&TenantTable> {
        self.tenant_tables.iter().find(|table| table.name == name)
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

/// A table that belongs to no tenant.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) name: String,
    /// None: whoever migrates, a superuser or the owner's role.
    pub(super) owner: Option<String>,
    grants: Vec<(String, String)>,
}

impl Table {
    /// A table by schema and name, and its owner.
    #[must_use]
    pub fn new(name: &str, owner: &str) -> Self {
        Self {
            name: name.to_owned(),
            owner: Some(owner.to_owned()),
            grants: Vec::new(),
        }
    }

    /// The record of the migrations, which whoever ran the first one owns: a superuser or
    /// `rowhouse_owner`. Diesel's is `public.__diesel_schema_migrations`.
    #[must_use]
    pub fn of_migrations(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            owner: None,
            grants: Vec::new(),
        }
    }

    /// Rights of a role: `"SELECT, UPDATE (name)"`.
    #[must_use]
    pub fn grant(mut self, privileges: &str, role: &str) -> Self {
        self.grants.push((privileges.to_owned(), role.to_owned()));
        self
    }
}

fn owned(name: &str, owner: &str) -> Owned {
    Owned {
        name: name.to_owned(),
        owner: owner.to_owned(),
    }
}

pub(super) fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// `"SELECT, UPDATE (a, b)"` is `SELECT`, `UPDATE (a)`, `UPDATE (b)`.
fn single_privileges(privileges: &str) -> Vec<String> {
    let mut single = Vec::new();
    let mut open: Option<&str> = None;
    for piece in privileges.split(',').map(str::trim) {
        let (name, column) = match (open, piece.split_once('(')) {
            (Some(name), _) => (name, Some(piece)),
            (None, Some((name, column))) => (name.trim(), Some(column)),
            (None, None) => (piece, None),
        };
        open = column.is_some_and(|c| !c.ends_with(')')).then_some(name);
        single.push(match column {
            Some(column) => format!("{name} ({})", column.trim_end_matches(')')),
            None => name.to_owned(),
        });
    }
    single
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_taken_apart_into_single_ones() {
        assert_eq!(
            single_privileges("SELECT, UPDATE (email, full_name), DELETE"),
            ["SELECT", "UPDATE (email)", "UPDATE (full_name)", "DELETE"]
        );
        assert_eq!(single_privileges("UPDATE (a)"), ["UPDATE (a)"]);
        assert_eq!(single_privileges("EXECUTE"), ["EXECUTE"]);
    }
}
