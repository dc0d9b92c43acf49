//! A project: what a tenant's people work on, and what can be asked to change about it.

use chrono::{DateTime, Utc};

use crate::words::words;
use crate::{Description, MembershipId, ProjectId, ProjectName, TenantId};

words! {
    /// Where a project stands. Being deleted is another matter, see [`Project::is_deleted`].
    #[derive(Default)]
    ProjectStatus {
        /// Being worked on; the default of a new project.
        #[default]
        Active = "active",
        /// Finished.
        Completed = "completed",
        /// Put away.
        Archived = "archived",
    }
}

words! {
    /// In which order projects are listed; `-` is descending. Projects that are alike in it stand in
    /// the order of their ids.
    #[derive(Default)]
    ProjectSort {
        /// Newest first; the default of a list.
        #[default]
        Newest = "-created_at",
        /// Oldest first.
        Oldest = "created_at",
        /// By name, regardless of case.
        Name = "name",
        /// By name, backwards.
        NameDescending = "-name",
    }
}

/// A project as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// Its name; not unique.
    pub name: String,
    /// Its description, if it has one.
    pub description: Option<String>,
    /// Where it stands.
    pub status: ProjectStatus,
    /// The member who made it, also when that member has been removed since.
    pub owner_id: MembershipId,
    /// Deleted, and restorable until it is purged.
    pub is_deleted: bool,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// How often it was looked at; lags by some seconds.
    pub view_count: i64,
    /// Grows by one with every change (views excepted); the ETag.
    pub version: i32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A project to be made; tenant, owner and id come from the context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProject {
    /// Its name.
    pub name: ProjectName,
    /// Its description, if any.
    pub description: Option<Description>,
    /// Where it stands from the start.
    pub status: ProjectStatus,
}

/// What shall change; `None` leaves a field alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectChanges {
    /// The new name.
    pub name: Option<ProjectName>,
    /// The new description; `Some(None)` removes it.
    pub description: Option<Option<Description>>,
    /// The new status.
    pub status: Option<ProjectStatus>,
}

impl ProjectChanges {
    /// Nothing is asked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.name.is_none() && self.description.is_none() && self.status.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_a_description_is_a_change() {
        assert!(ProjectChanges::default().is_empty());
        let changes = ProjectChanges {
            description: Some(None),
            ..ProjectChanges::default()
        };
        assert!(!changes.is_empty());
    }
}
