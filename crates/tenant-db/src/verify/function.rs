//! The declaration of a function: its digest, and with whose rights it runs.

use super::catalog::strings;

/// A function, known by its signature and the digest of its definition.
///
/// The digest is SHA-256 in hex over language, volatility, arguments, result and body, the same
/// on every version of PostgreSQL; [`verify`](crate::verify::verify()) prints it where it
/// differs.
#[derive(Debug, Clone)]
pub struct Function {
    pub(super) signature: String,
    pub(super) owner: String,
    pub(super) digest: String,
    pub(super) rights: Rights,
    pub(super) pinned: bool,
    pub(super) callers: Vec<String>,
}

/// With whose rights a function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    Definer,
    Invoker,
}

impl Function {
    /// SECURITY DEFINER with a pinned search_path. The signature is `schema.name(type,type)`.
    #[must_use]
    pub fn definer(signature: &str, owner: &str, digest: &str) -> Self {
        Self {
            signature: signature.to_owned(),
            owner: owner.to_owned(),
            digest: digest.to_owned(),
            rights: Rights::Definer,
            pinned: true,
            callers: Vec::new(),
        }
    }

    /// Runs with the caller's rights, its search_path pinned all the same.
    #[must_use]
    pub fn invoker(signature: &str, owner: &str, digest: &str) -> Self {
        Self {
            rights: Rights::Invoker,
            ..Self::definer(signature, owner, digest)
        }
    }

    /// An SQL function with `RETURN` or `BEGIN ATOMIC`: its names were resolved when it was
    /// made, so it sets no search_path, and PostgreSQL can inline it.
    #[must_use]
    pub fn inline(signature: &str, owner: &str, digest: &str) -> Self {
        Self {
            pinned: false,
            ..Self::invoker(signature, owner, digest)
        }
    }

    /// The roles beside its owner that may call it.
    #[must_use]
    pub fn callers(mut self, roles: &[&str]) -> Self {
        self.callers = strings(roles);
        self
    }
}
