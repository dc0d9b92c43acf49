//! What a resource holds: a JSON object of the tenant's own making, bounded in size and depth.

use serde_json::{Map, Value};

/// Why an object was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceDataError {
    /// More bytes than [`ResourceData::MAX_BYTES`].
    #[error("must have at most {} bytes as compact JSON", ResourceData::MAX_BYTES)]
    TooLarge,
    /// Nested deeper than [`ResourceData::MAX_DEPTH`].
    #[error("must not nest deeper than {} levels", ResourceData::MAX_DEPTH)]
    TooDeep,
    /// A key, or a text, with the character NUL, which PostgreSQL cannot store.
    #[error("must not contain the character NUL")]
    Nul,
}

/// A JSON object of at most [`MAX_BYTES`](Self::MAX_BYTES) bytes and
/// [`MAX_DEPTH`](Self::MAX_DEPTH) levels, without NUL. What it means is its tenant's business.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceData(Map<String, Value>);

impl ResourceData {
    /// The most bytes, as JSON without white space.
    pub const MAX_BYTES: usize = 65_536;
    /// The most levels of objects and arrays, the outermost counted.
    pub const MAX_DEPTH: usize = 32;

    /// Checks.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn parse(object: Map<String, Value>) -> Result<Self, ResourceDataError> {
        let object = Value::Object(object);
        check(&object, Self::MAX_DEPTH)?;
        if object.to_string().len() > Self::MAX_BYTES {
            return Err(ResourceDataError::TooLarge);
        }
        match object {
            Value::Object(object) => Ok(Self(object)),
            _ => Ok(Self::default()),
        }
    }

    /// An object with this merge patch applied (RFC 7396): what is `null` in it is removed, objects
    /// are merged, all else is replaced.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), of the result.
    pub fn merged(
        object: Map<String, Value>,
        patch: Map<String, Value>,
    ) -> Result<Self, ResourceDataError> {
        let patch = Value::Object(patch);
        // The patch is merged recursively, and may be as deep as its sender likes.
        check(&patch, Self::MAX_DEPTH)?;
        let mut object = Value::Object(object);
        json_patch::merge(&mut object, &patch);
        match object {
            Value::Object(object) => Self::parse(object),
            _ => Ok(Self::default()),
        }
    }

    /// The object.
    #[must_use]
    pub fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// `levels` are those that may still be opened.
fn check(value: &Value, levels: usize) -> Result<(), ResourceDataError> {
    let inner = || levels.checked_sub(1).ok_or(ResourceDataError::TooDeep);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(text) => check_text(text),
        Value::Array(items) => {
            let inner = inner()?;
            items.iter().try_for_each(|item| check(item, inner))
        }
        Value::Object(members) => {
            let inner = inner()?;
            members.iter().try_for_each(|(key, item)| {
                check_text(key)?;
                check(item, inner)
            })
        }
    }
}

fn check_text(text: &str) -> Result<(), ResourceDataError> {
    if text.contains('\0') {
        return Err(ResourceDataError::Nul);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: &Value) -> Result<ResourceData, ResourceDataError> {
        ResourceData::parse(value.as_object().unwrap().clone())
    }

    /// This many objects, one in the other.
    fn nested(levels: usize) -> Value {
        (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }))
    }

    #[test]
    fn size_and_depth_are_bounded_to_the_byte_and_the_level() {
        // {"a":""} has eight bytes.
        let sized = |bytes: usize| json!({ "a": "x".repeat(bytes - 8) });
        assert!(parse(&sized(ResourceData::MAX_BYTES)).is_ok());
        assert_eq!(
            parse(&sized(ResourceData::MAX_BYTES + 1)),
            Err(ResourceDataError::TooLarge)
        );
        assert!(parse(&nested(ResourceData::MAX_DEPTH)).is_ok());
        let too_deep = nested(ResourceData::MAX_DEPTH + 1);
        assert_eq!(parse(&too_deep), Err(ResourceDataError::TooDeep));
        let patch = too_deep.as_object().unwrap().clone();
        let merged = ResourceData::merged(Map::new(), patch);
        assert_eq!(merged, Err(ResourceDataError::TooDeep));
    }

    #[test]
    fn nul_is_refused_wherever_it_stands() {
        for value in [
            json!({ "a\0": 1 }),
            json!({ "a": "\0" }),
            json!({ "a": [{ "b": "x\0" }] }),
        ] {
            assert_eq!(parse(&value), Err(ResourceDataError::Nul));
        }
    }

    #[test]
    fn a_patch_is_merged_as_rfc_7396_has_it() {
        for (before, patch, after) in [
            (json!({ "a": 1 }), json!({}), json!({ "a": 1 })),
            (json!({ "a": 1 }), json!({ "a": null }), json!({})),
            (
                json!({ "a": [1, 2] }),
                json!({ "a": [3] }),
                json!({ "a": [3] }),
            ),
            (
                json!({ "a": { "b": 1, "c": 2 } }),
                json!({ "a": { "b": null, "d": 3 } }),
                json!({ "a": { "c": 2, "d": 3 } }),
            ),
            (
                json!({ "a": 1 }),
                json!({ "a": { "b": null } }),
                json!({ "a": {} }),
            ),
        ] {
            let [before, patch] = [before, patch].map(|value| value.as_object().unwrap().clone());
            let merged = ResourceData::merged(before, patch).unwrap();
            assert_eq!(merged.into_value(), after);
        }
    }

    #[test]
    fn a_patch_may_not_make_an_object_too_large() {
        let half = "x".repeat(ResourceData::MAX_BYTES / 2);
        let [before, patch] =
            ["a", "b"].map(|key| json!({ key: half }).as_object().unwrap().clone());
        assert!(ResourceData::parse(before.clone()).is_ok());
        let merged = ResourceData::merged(before, patch);
        assert_eq!(merged, Err(ResourceDataError::TooLarge));
    }
}
