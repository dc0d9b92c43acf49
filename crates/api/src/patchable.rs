//! A field of a JSON merge patch (RFC 7396), where absent, `null` and a value are three things.

use serde::{Deserialize, Deserializer};

/// What a merge patch says of one field. In the wire type:
///
/// ```
/// #[derive(serde::Deserialize)]
/// #[serde(deny_unknown_fields, default)]
/// struct ProjectPatch {
///     name: api::Patchable<String>,
///     description: api::Patchable<String>,
/// }
/// # impl Default for ProjectPatch {
/// #     fn default() -> Self { Self { name: Default::default(), description: Default::default() } }
/// # }
/// let patch: ProjectPatch = serde_json::from_str(r#"{"description": null}"#)?;
/// assert_eq!(patch.name, api::Patchable::Absent);
/// assert_eq!(patch.description, api::Patchable::Null);
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// `#[serde(default)]` is what makes an absent field [`Patchable::Absent`]; without it the field is
/// required. [`Validation::change`](crate::Validation::change) and
/// [`Validation::nullable_change`](crate::Validation::nullable_change) parse it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patchable<T> {
    /// Not mentioned: stays as it is.
    #[default]
    Absent,
    /// `null`: to be removed.
    Null,
    /// To be replaced by this.
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patchable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(|value| value.map_or(Self::Null, Self::Value))
    }
}
