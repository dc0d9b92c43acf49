//! The words by which machines tell findings apart.

/// Every code of a [`Finding`](crate::verify::Finding), and what it means. Codes are never renamed.
pub const CODES: &[(&str, &str)] = &[
    (
        "audit_changed",
        "the trigger that records changes of a tenant table is not as tenancy.protect made it",
    ),
    (
        "audit_disabled",
        "the trigger that records changes does not always fire",
    ),
    (
        "audit_missing",
        "the trigger that records changes of a tenant table is not there",
    ),
    (
        "authorize_allows_all",
        "tenancy.authorize lets in every actor whom a seal names",
    ),
    (
        "builtin_changed",
        "a built-in function is not as PostgreSQL ships it",
    ),
    (
        "builtin_granted",
        "a built-in function or system table is open to somebody who must not use it",
    ),
    (
        "copy_drifted",
        "a table that triggers keep from another one has other rows",
    ),
    (
        "database_template",
        "any role with CREATEDB may copy the database",
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
        "foreign_key_changed",
        "a declared foreign key is another one",
    ),
    ("foreign_key_missing", "a declared foreign key is not there"),
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
    ("index_changed", "a declared index is another one"),
    (
        "index_invalid",
        "an index is not valid: it holds nothing together",
    ),
    ("index_missing", "a declared index is not there"),
    (
        "index_order",
        "an index of a tenant table does not begin with the tenant column",
    ),
    (
        "inheritance",
        "a table is a partition, a child or a parent of another",
    ),
    (
        "key_changed",
        "a declared primary or unique key is another one",
    ),
    (
        "key_missing",
        "a declared primary or unique key is not there",
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
    (
        "statistics_kept",
        "the planner keeps statistics of a table that is declared without",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_each_stands_once() {
        assert!(CODES.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
