//! An object that has a key twice means two things: of two readers each may take another one
//! (RFC 8259, 4). serde_json takes the last, where no struct is read.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::{collections::HashSet, fmt};

use super::fault::escape;
use crate::error::{ApiError, FieldErrorCode};

/// Refuses the first key that stands twice in its object, at whatever depth.
pub(crate) fn refuse_duplicates(text: &str) -> Result<(), ApiError> {
    let (mut at, mut twice) = (Vec::new(), None);
    let walk = Walk {
        at: &mut at,
        twice: &mut twice,
    };
    // What is not JSON, the deserializer tells better.
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let walked = walk.deserialize(&mut deserializer);
    let is_json = walked.and_then(|()| deserializer.end()).is_ok();
    match twice {
        Some(pointer) if is_json => {
            let code = FieldErrorCode::Duplicate;
            Err(ApiError::field(pointer, code, "stands twice"))
        }
        _ => Ok(()),
    }
}

/// Goes through a value, and keeps nothing of it.
struct Walk<'w> {
    /// The tokens of the pointer to where it is.
    at: &'w mut Vec<String>,
    twice: &'w mut Option<String>,
}

impl Walk<'_> {
    fn step(&mut self, token: String) -> Walk<'_> {
        self.at.push(token);
        Walk {
            at: self.at,
            twice: self.twice,
        }
    }

    fn pointer(&self) -> String {
        let tokens = self.at.iter();
        tokens.map(|token| format!("/{}", escape(token))).collect()
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        for index in 0_usize.. {
            let item = items.next_element_seed(self.step(index.to_string()))?;
            self.at.pop();
            if item.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            let is_new = seen.insert(key.clone());
            let inner = self.step(key);
            if !is_new && inner.twice.is_none() {
                *inner.twice = Some(inner.pointer());
            }
            members.next_value_seed(inner)?;
            self.at.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice(text: &str) -> Option<String> {
        let error = refuse_duplicates(text).err()?;
        let [error] = error.field_errors() else {
            return None;
        };
        assert_eq!(error.code, FieldErrorCode::Duplicate);
        Some(error.pointer.clone())
    }

    #[test]
    fn a_key_that_stands_twice_is_pointed_at_however_deep() {
        for (text, pointer) in [
            (r#"{"a": 1, "a": 1}"#, "/a"),
            (r#"{"a": 1, "\u0061": 2}"#, "/a"),
            (r#"{"": 1, "": 1}"#, "/"),
            (
                r#"{"a": {"b": [1, {"c/~": {}, "c/~": []}]}}"#,
                "/a/b/1/c~1~0",
            ),
            (
                r#"{"a": [{"x": 1}, {"x": 1, "y": 2, "x": 3}], "a": 1}"#,
                "/a/1/x",
            ),
        ] {
            assert_eq!(twice(text).as_deref(), Some(pointer), "{text}");
        }
    }

    #[test]
    fn the_same_key_in_other_objects_is_none_of_it() {
        for text in [
            "{}",
            r#"{"a": {"a": {"a": [{"a": 1}, {"a": 1}]}}, "A": 1, "b": [[], -1, 1.5, true, null, "a"]}"#,
            // Not JSON, which is for others to say.
            r#"{"a": 1, "a": 1"#,
            r#"{"a": 1, "a": 1}}"#,
            "",
        ] {
            assert_eq!(twice(text), None, "{text}");
        }
        let deep = format!("{}1{}", r#"{"a": "#.repeat(50_000), "}".repeat(50_000));
        assert_eq!(twice(&deep), None);
    }
}
