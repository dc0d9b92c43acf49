//! The four built-in roles, their order, and how roles are named. What each permits is `auth`'s
//! matter.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

use crate::RoleId;
use crate::words::words;

words! {
    /// What a member is in one tenant; ordered by power, the weakest first.
    #[derive(PartialOrd, Ord)]
    Role {
        /// Reads.
        Viewer = "viewer",
        /// Reads and writes the tenant's business.
        Member = "member",
        /// Also manages users and the tenant's settings.
        Admin = "admin",
        /// Also disposes of the tenant itself. Every tenant has at least one.
        Owner = "owner",
    }
}

impl Role {
    /// The same in every tenant, and before every id that is generated.
    #[must_use]
    pub const fn id(self) -> RoleId {
        RoleId::from_uuid(Uuid::from_u128(match self {
            Self::Viewer => 0x7000_8000_0000_0000_0001,
            Self::Member => 0x7000_8000_0000_0000_0002,
            Self::Admin => 0x7000_8000_0000_0000_0003,
            Self::Owner => 0x7000_8000_0000_0000_0004,
        }))
    }
}

/// Why a text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleNameError {
    /// Another shape than `[a-z][a-z0-9_]{0,31}`.
    #[error("must have 1 to 32 of a-z, 0-9 and _, a letter first")]
    Shape,
    /// viewer, member, admin or owner, where a new name is asked for.
    #[error("is the name of a built-in role")]
    BuiltIn,
}

/// A role by its name: a built-in one, or one that the tenant may have made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleName {
    /// One that every tenant has.
    BuiltIn(Role),
    /// Any other.
    Custom(CustomRoleName),
}

impl RoleName {
    /// Reads a name: exactly, neither trimmed nor folded.
    ///
    /// # Errors
    /// [`RoleNameError::Shape`].
    pub fn parse(text: &str) -> Result<Self, RoleNameError> {
        match text.parse() {
            Ok(role) => Ok(Self::BuiltIn(role)),
            Err(_) => CustomRoleName::parse(text).map(Self::Custom),
        }
    }
}

/// The name of a role that a tenant made: `[a-z][a-z0-9_]{0,31}`, and none of the built-in ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CustomRoleName(String);

impl CustomRoleName {
    /// The most characters.
    pub const MAX: usize = 32;

    /// Reads a name: exactly, neither trimmed nor folded.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn parse(text: &str) -> Result<Self, RoleNameError> {
        let has_shape = (1..=Self::MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !has_shape {
            return Err(RoleNameError::Shape);
        }
        match text.parse::<Role>() {
            Ok(_) => Err(RoleNameError::BuiltIn),
            Err(_) => Ok(Self(text.to_owned())),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CustomRoleName {
    type Error = RoleNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl fmt::Display for CustomRoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_grows_from_viewer_to_owner() {
        assert!(Role::ALL.is_sorted());
        assert!(Role::Viewer < Role::Member);
        assert!(Role::Admin < Role::Owner);
    }

    #[test]
    fn a_role_has_an_id_of_its_own_before_every_generated_one() {
        let ids: Vec<RoleId> = Role::ALL.iter().map(|role| role.id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert!(ids.iter().all(|id| *id < RoleId::generate()));
        assert_eq!(
            Role::Owner.id().to_string(),
            "00000000-0000-7000-8000-000000000004"
        );
    }

    #[test]
    fn a_custom_name_is_a_plain_word_and_no_built_in_one() {
        for text in ["a", "support", "tier_2", &"x".repeat(32)] {
            assert_eq!(CustomRoleName::parse(text).unwrap().as_str(), text);
            assert!(matches!(RoleName::parse(text), Ok(RoleName::Custom(_))));
        }
        for text in [
            "", "A", "2nd", "_x", "a-b", "a b", " a", "a\n", "é", "Owner",
        ] {
            assert_eq!(
                CustomRoleName::parse(text),
                Err(RoleNameError::Shape),
                "{text:?}"
            );
        }
        assert_eq!(
            CustomRoleName::parse(&"x".repeat(33)),
            Err(RoleNameError::Shape)
        );
        for &role in Role::ALL {
            assert_eq!(
                CustomRoleName::parse(role.as_str()),
                Err(RoleNameError::BuiltIn)
            );
            assert_eq!(RoleName::parse(role.as_str()), Ok(RoleName::BuiltIn(role)));
        }
        assert!(serde_json::from_str::<CustomRoleName>("\"admin\"").is_err());
    }
}
