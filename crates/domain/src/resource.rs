//! A resource: a thing that a project is made of, what can be asked to change about it, and what it
//! was before.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::{
    MembershipId, ProjectId, ResourceData, ResourceDataError, ResourceId, ResourceName,
    ResourceType, TenantId,
};

/// A resource as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// Whose it is.
    pub tenant_id: TenantId,
    /// The project that it belongs to, for good.
    pub project_id: ProjectId,
    /// Its name; not unique.
    pub name: String,
    /// What kind of thing it is, if that is said.
    pub kind: Option<String>,
    /// What it holds: an object.
    pub data: Value,
    /// Grows by one with every change; the ETag.
    pub version: i32,
    /// The member who made it, or whose key did.
    pub created_by: MembershipId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// What a resource was until it was replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceVersion {
    /// The resource as it was then.
    pub resource: Resource,
    /// When the next version took its place.
    pub replaced_at: DateTime<Utc>,
    /// The member who did that, or whose key did; `None`: no member.
    pub replaced_by: Option<MembershipId>,
}

/// A resource to be made; tenant, maker and id come from the context.
#[derive(Clone, Debug, PartialEq)]
pub struct NewResource {
    /// The project that it will belong to.
    pub project_id: ProjectId,
    /// Its name.
    pub name: ResourceName,
    /// What kind of thing it is, if that is said.
    pub kind: Option<ResourceType>,
    /// What it holds.
    pub data: ResourceData,
}

/// What shall change, as it is asked for: the object is a merge patch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourcePatch {
    /// The new name.
    pub name: Option<ResourceName>,
    /// The new kind; `Some(None)` removes it.
    pub kind: Option<Option<ResourceType>>,
    /// What shall change in the object (RFC 7396).
    pub data: Option<Map<String, Value>>,
}

/// What shall change, worked out; `None` leaves a field alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceChanges {
    /// The new name.
    pub name: Option<ResourceName>,
    /// The new kind; `Some(None)` removes it.
    pub kind: Option<Option<ResourceType>>,
    /// The new object, whole.
    pub data: Option<ResourceData>,
}

impl ResourcePatch {
    /// The changes that this makes to a resource. An empty object changes nothing.
    ///
    /// # Errors
    /// When the object may not become what it would.
    pub fn onto(self, current: &Resource) -> Result<ResourceChanges, ResourceDataError> {
        let data = match self.data.filter(|patch| !patch.is_empty()) {
            Some(patch) => {
                let object = current.data.as_object().cloned().unwrap_or_default();
                Some(ResourceData::merged(object, patch)?)
            }
            None => None,
        };
        Ok(ResourceChanges {
            name: self.name,
            kind: self.kind,
            data,
        })
    }
}

impl ResourceChanges {
    /// Nothing is asked for.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.name.is_none() && self.kind.is_none() && self.data.is_none()
    }
}
