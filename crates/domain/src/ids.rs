//! The ids: a UUID that says what it is an id of. Nothing else.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Text and JSON are the UUID's, hyphenated and in lower case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id: UUIDv7 (RFC 9562), so that ids sort by the time of their making. Reads
            /// the system's clock and randomness.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// Takes any UUID at its word; whether such a row exists is not checked.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID, for a database row or a wire format.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// One company, the wall between rows.
    TenantId
}
id! {
    /// One person who signs in, in any number of tenants.
    AccountId
}
id! {
    /// One person *in one tenant*: what the API calls a user.
    MembershipId
}
id! {
    /// One sign-in, from login to logout.
    SessionId
}
id! {
    /// One job in a tenant's outbox.
    JobId
}
id! {
    /// One invitation of one tenant.
    InvitationId
}
id! {
    /// One project of one tenant.
    ProjectId
}
id! {
    /// One resource of one project.
    ResourceId
}
id! {
    /// One role of one tenant, or a built-in one: [`Role::id`](crate::Role::id).
    RoleId
}
id! {
    /// One key of one tenant.
    ApiKeyId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_text_and_json() {
        let id = ProjectId::generate();
        assert_eq!(id.to_string().parse::<ProjectId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<ProjectId>(&json).unwrap(), id);
    }

    #[test]
    fn ids_sort_by_the_time_of_their_making() {
        let ids: Vec<TenantId> = (0..100).map(|_| TenantId::generate()).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids[0].uuid().get_version_num(), 7);
    }

    #[test]
    fn what_is_no_uuid_is_no_id() {
        assert!("pawnee".parse::<TenantId>().is_err());
        assert!(serde_json::from_str::<TenantId>("7").is_err());
    }
}
