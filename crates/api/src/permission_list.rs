//! Lists of permissions in bodies: what a custom role permits, what an API key is for.

use auth::{Permission, PermissionSet};

use crate::{error::FieldErrorCode, validation::Validation};

/// More than there are permissions; a longer list is refused without a look at its elements.
const MAX: usize = 64;

/// Reads the words at `pointer`. What `check` says against one is refused at its place.
pub(crate) fn parse(
    v: &mut Validation,
    pointer: &str,
    words: &[String],
    check: impl Fn(Permission) -> Result<(), String>,
) -> Option<PermissionSet> {
    if words.len() > MAX {
        let detail = format!("must have at most {MAX} elements");
        v.refuse(pointer, FieldErrorCode::Invalid, detail);
        return None;
    }
    let mut permissions = Vec::new();
    let mut is_good = true;
    for (index, word) in words.iter().enumerate() {
        let refusal = match word.parse::<Permission>() {
            Err(unknown) => Some((FieldErrorCode::Invalid, unknown.to_string())),
            Ok(permission) if permissions.contains(&permission) => {
                Some((FieldErrorCode::Duplicate, "stands twice".to_owned()))
            }
            Ok(permission) => {
                permissions.push(permission);
                let refusal = check(permission).err();
                refusal.map(|detail| (FieldErrorCode::Invalid, detail))
            }
        };
        if let Some((code, detail)) = refusal {
            v.refuse(&format!("{pointer}/{index}"), code, detail);
            is_good = false;
        }
    }
    is_good.then(|| permissions.into_iter().collect())
}
